// Schema version 6: two more ends of a trial. `screened`: not measured, because it was predicted to be certainly over budget; `stopped`: its
// training was ended at a rung. Only the CHECK changes, which SQLite lets be edited in place: a table of a million trials is not copied.
export const screenedAndStopped = `
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''failed'', ''lost'')', '''failed'', ''lost'', ''screened'', ''stopped'')')
  WHERE type = 'table' AND name = 'trials';
PRAGMA writable_schema = RESET;
`;
