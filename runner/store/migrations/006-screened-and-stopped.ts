// Schema version 6: two more end states of a trial. `screened`: not measured, because it was predicted to be
// over a budget; `stopped`: its training was ended at a rung. Only the CHECK changes, and SQLite allows
// editing it in place, so a table of a million trials is not copied.
export const screenedAndStopped = `
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''failed'', ''lost'')', '''failed'', ''lost'', ''screened'', ''stopped'')')
  WHERE type = 'table' AND name = 'trials';
PRAGMA writable_schema = RESET;
`;
