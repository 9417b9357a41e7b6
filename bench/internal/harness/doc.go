// Package harness measures what a middleware adds to a request.
//
// The subjects of a [Suite] take turns (A B C, B C A, ...), in one process and
// with the same requests. What a subject adds is its time less that of the bare
// handler in the same round, so that a machine that gets slower for a while
// slows down both; what is printed is the median of the rounds, with the
// smallest and the largest. The ratios are those of a single run, never of two.
//
// A subject is driven through [http.Handler], with requests as net/http's
// server hands them on and a writer with the same optional interfaces as the
// server's own. There is no network: its cost would drown the differences. What
// a wrapper does to sendfile, or to a client that waits, is not seen here.
package harness
