import type { Clause } from "./clause.ts";
import { clientClauses } from "./clauses/clients.ts";
import { deliveryClauses } from "./clauses/delivery.ts";
import { faultClauses } from "./clauses/faults.ts";
import { httpClauses } from "./clauses/http.ts";
import { limitClauses } from "./clauses/limits.ts";

/** Every clause that the kit proves, in the order in which it is best read. */
export const clauses: readonly Clause[] = [
  ...deliveryClauses,
  ...faultClauses,
  ...clientClauses,
  ...limitClauses,
  ...httpClauses,
];
