// Schema version 2: where each candidate came from (search/strategy.ts, Origin) as JSON text; null where nobody wrote it down.
export const origins = `
ALTER TABLE trials ADD COLUMN origin TEXT;
`;
