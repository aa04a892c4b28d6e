/** A running technique, as `GET /lanes.json` tells the page about it. */
export interface Lane {
  readonly name: string;
  readonly title: string;
  /** The idea in one line. */
  readonly idea: string;
  readonly direction: string;
  /** Where its events are read. */
  readonly url: string;
  /** Where events are published to reach it. Default: this page does not publish to it. */
  readonly publishUrl?: string | undefined;
  /** Which technique's client reads it: `/clients/<client>.js`. Default: none runs in a browser. */
  readonly client?: string | undefined;
  /** What is out of the ordinary about it here. */
  readonly remark?: string | undefined;
}
