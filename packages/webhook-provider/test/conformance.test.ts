import { conformance } from "@tidings/conformance/bun-test";
import technique from "../technique.ts";

await conformance(technique);
