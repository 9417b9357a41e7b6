// Package respw is the one response recorder of a request. Every sluice layer
// that must know what a handler answered reads it here, so that seven layers
// cost one wrapper.
//
// Guarantees:
//   - The recorded status, byte count and first-byte time are those of the
//     client: the first status that is not 1xx wins and 101 is final (RFC 9110
//     §15.2), bodies of HEAD, 204 and 304 count as nothing, a connection that
//     was hijacked before any other status is a 101.
//   - The wrapper has exactly the optional interfaces of the writer it wraps:
//     Flush, FlushError, Hijack, ReadFrom, Push, WriteString and CloseNotify.
//     Deadlines and EnableFullDuplex exist for [http.ResponseController] alone,
//     which finds them through Unwrap. sendfile keeps working.
//   - Header hooks run once, at the last moment before the header is fixed,
//     innermost layer first.
//   - A writer is used for one request only. A goroutine that outlives its
//     handler gets [ErrEnded] and an unused header map; it can neither write
//     into another response nor disturb this one. Only a call that was already
//     under way when the handler returned reaches the server, as without sluice.
//
// Not guaranteed: [http.MaxBytesReader] tells the server to close the
// connection through a method no wrapper can have (golang.org/issue/73754). A
// recorder inside a foreign wrapper records what it passed on; what that
// wrapper makes of it (a Flush that does nothing, another status for an empty
// answer) it cannot know.
//
// Cost: one allocation and about a tenth of a microsecond for the first layer,
// none where a [Space] is part of something allocated anyway, and a type
// assertion for every further layer. The 128 interface combinations add about
// 0.6 MB to a stripped binary; spelling out deadlines too would take four times as
// many and give a caller nothing.
package respw

//go:generate go run ./genshapes
