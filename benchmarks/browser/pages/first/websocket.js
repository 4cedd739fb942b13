// The floor: nothing but a WebSocket to a plain server, which forwards the first message as it would an offer.

function join({ port, room }) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  socket.onopen = () => socket.send(JSON.stringify({ type: "join", roomId: room }));
  return socket;
}

export function reside(options) {
  const socket = join(options);
  socket.onmessage = ({ data }) => {
    const { type, userId } = JSON.parse(data);
    if (type === "user-joined") socket.send(JSON.stringify({ type: "offer", target: userId, sdp: "hello" }));
  };
  return new Promise((resolve) => socket.addEventListener("open", () => resolve()));
}

export async function enter(options) {
  const start = performance.now();
  const socket = join(options);
  await new Promise((resolve, reject) => {
    socket.onerror = reject;
    socket.onmessage = ({ data }) => JSON.parse(data).type === "offer" && resolve();
  });
  const ms = performance.now() - start;
  socket.close();
  return ms;
}
