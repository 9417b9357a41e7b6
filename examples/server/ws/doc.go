// Package ws is the live side of the chat: a WebSocket (RFC 6455) at which
// clients hear every stored message and post their own.
//
// The server first sends
//
//	{"kind":"welcome","username":"ada","listeners":3}
//
// with an empty username for a caller who is not logged in, and then for every
// stored message
//
//	{"kind":"message","message":{"id":7,"username":"ada","body":"hello",...}}
//
// A client posts {"body":"hello"}. Input that is refused is answered with
//
//	{"kind":"error","message":"some fields are not valid","errors":{"body":"must not be empty"}}
//
// It guarantees that
//
//   - all listeners hear messages in one order, encoded once for all of them;
//   - nobody waits for a slow listener: one that is too far behind is closed
//     with 1013 and may come back;
//   - what a client sends is bounded: the number of connections, the size of a
//     frame, the rate of frames, and how long a frame waits to be taken;
//   - a page of another site cannot open a connection, and a peer that is gone
//     is noticed;
//   - a message that was read is stored even if its sender leaves meanwhile.
//
// It does not deliver what was said while a client was away: the client reads
// the list of messages after the welcome. Messages posted at the same time may
// be heard in another order than that of their ids. Rights are those of the
// handshake and last at most MaxAge. It does not count connections per client:
// a limit of handshakes in front of it does. One process does not hear another:
// several replicas need a message bus behind [app.Broadcaster].
package ws
