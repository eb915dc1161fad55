// Small things every table shares.

export type Row = Record<string, unknown>;

export const now = (): string => new Date().toISOString();
