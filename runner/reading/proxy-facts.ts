// The facts of a report about a sweep's proxies: how well they order layouts, their width, and notices on
// their use.
import type { ReportData } from "../../reports/report-model.ts";
import { proxyNotices } from "../config/proxy-notices.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { auditsOf } from "../sweep/proxy-audit.ts";

/** Returns these facts; empty for a sweep without training. */
export function proxyFacts(
  store: Store,
  { id, config }: Pick<Sweep, "id" | "config">,
): Pick<ReportData, "proxies" | "proxyWidth" | "notices"> {
  const proxies = auditsOf(store, id);
  const notices = proxyNotices(config);
  return {
    ...(proxies.length > 0 && { proxies }),
    ...(config.score !== undefined && { proxyWidth: config.score.proxy.width }),
    ...(notices.length > 0 && { notices }),
  };
}
