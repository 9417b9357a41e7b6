// Package httpapi is the REST API of the service under /api/.
//
// It guarantees that
//
//   - every answer is JSON, a file, or an event stream, and every error is a
//     problem document (RFC 9457) that holds public sentences only;
//   - whatever a client sends is bounded: bodies, forms, queries, and how many
//     passwords are hashed and answers generated at a time;
//   - no change is lost: PUT needs If-Match (RFC 6585 §3), and the version is
//     compared again in the database;
//   - a page of another site cannot use the session cookie to change anything.
//
// It does not limit request rates, recover panics, compress, or set the
// security headers of pages: the layers around it do.
package httpapi
