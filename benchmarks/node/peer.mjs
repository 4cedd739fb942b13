// PeerServer as it comes. The load generator sends no heartbeats, so peers are given an hour without one.

import { PeerServer } from "peer";
import { announce } from "./ready.mjs";

PeerServer({ host: "127.0.0.1", port: 0, path: "/", alive_timeout: 3_600_000 }, (server) => {
  announce(server.address().port);
});
