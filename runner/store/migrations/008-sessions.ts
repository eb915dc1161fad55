// Schema version 8: a metric knows which of its samples were taken in one session. JSON list of counts; null: all of one session.
export const sessions = `
ALTER TABLE metrics ADD COLUMN sessions TEXT;
`;
