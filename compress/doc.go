// Package compress encodes response bodies in zstd, brotli or gzip, where a client
// takes it, it makes them smaller, and HTTP allows it.
//
//	c, err := compress.New(compress.Options{})
//	if err != nil {
//		return err
//	}
//	srv := &http.Server{Addr: ":8080", Handler: c.Middleware(mux)}
//
// # What it guarantees
//
//   - The coding is the one that the client likes best (RFC 9110 §12.5.3): weights,
//     wildcards, "identity" and "x-gzip" count as written. Without an
//     Accept-Encoding field nothing is encoded.
//   - A body of up to [Options].BufferSize is kept back until its handler is done,
//     and encoded as a whole: with a Content-Length, and only if it gets smaller. A
//     longer one is streamed if its beginning gets smaller.
//   - A flush sends what there is, at any size, before the first byte too, and
//     what was sent can be decoded. Event streams flow event by event. What is
//     encoded and has "Incremental: ?1" (RFC 10036) or "X-Accel-Buffering: no" is
//     flushed at every write.
//   - What has a coding, forbids to transform it, is a range, an answer without
//     content, gRPC, or not of one of the content types, stays as it is. sendfile
//     keeps working there.
//   - Entity tags differ by coding, and conditional requests work with them:
//     If-None-Match and If-Match reach the handler in its own terms, and 304 and 412
//     go back in the client's. Ranges are of the body without a coding, and so are
//     the tags that If-Range, or If-Match beside a Range, has to name.
//   - Vary has Accept-Encoding wherever the coding could have differed. Digests of the
//     identity bytes are removed, Unencoded-Digest stays, trailers are kept.
//   - HEAD is answered as GET, but that the length may be missing. Where a handler
//     leaves out the body, the answer is that of one that gets smaller.
//   - A panic before anything was sent leaves the response free for an outer layer,
//     which finds no field of this one in the header. After that the body is seen
//     to be cut: the end of its encoding is missing.
//   - What a handler does with a response after it has returned reaches neither
//     this response nor another one. Encoders and buffers are used again, writers
//     never.
//   - The handler's writer has exactly the optional interfaces of the one outside.
//
// # What it does not
//
// It decodes no request bodies, has no dictionaries (RFC 9842), and keeps no
// encoded bodies: put a cache outside of it for that. A handler that changes an
// element of a header value in place, after it has fixed the header, is not
// protected from itself.
//
// A date is no validator of a coding. Handlers that answer ranges of text should
// send an entity tag: a client that has the beginning of an encoded body and
// nothing but its Last-Modified may ask for the rest of it by If-Range (RFC 9110
// §13.1.5), and get it without a coding.
//
// # BREACH
//
// A body that has a secret beside something that an attacker chose tells its
// length, and so, over many requests, the secret (CVE-2013-3587). No compression
// is safe there, and TLS does not help. There are four remedies:
//
//   - [Off] and [Options].Skip leave such answers as they are. This is the only one
//     that takes the leak away. Tokens against request forgery that are masked anew
//     for each answer do so, too, for the tokens.
//   - [Options].Padding hides the length behind a random one. An attacker needs many
//     more requests, and gets there by averaging: it buys time, for every coding.
//   - [Options].GuardCrossSite leaves answers as they are to requests that another
//     site made a browser send with a cookie or credentials. It stops attacks from
//     web pages of other sites in browsers that send Sec-Fetch-Site (all since
//     2023). It does not stop those from a sibling domain, from a page of the same
//     site that an attacker can write to, or by links that a user follows there
//     himself.
//   - Fewer guesses: a rate limit for each user outside of this layer.
//
// # Entity tags
//
// "abc" becomes "abc-gzip" in gzip. A client may come back with the tag of any
// coding that it takes, and gets a 304 with the tag that it sent. The handler finds
// "abc-gzip", "abc" in If-None-Match then: a list, as it may be of any client
// (RFC 9110 §13.1.2). One that compares the whole field with its tag never finds them
// equal, nor with [ETagWeaken], where the client sends W/"abc": [http.ServeContent]
// reads the field as it is meant.
//
// # Memory
//
// A response holds its body, up to BufferSize, until it is decided upon, and a
// stream its encoder, until its handler returns: 1.1 MB for gzip, 0.6 to 0.8 MB for
// zstd and 0.9 to 2.3 MB for brotli, with the default [Options].Window.
// [Options].MaxStreams bounds how many there are; who comes next gets the body as it
// is, and so does a client that refuses that. Encoders that are not in use are left
// to the garbage collector. A layer outside that keeps the header of a response
// should keep a copy: its values are part of what a response holds.
//
// # Cost
//
// One allocation for a response that stays as it is, and one or two for one that is
// encoded; an entity tag takes two more. bench/compress compares it with other
// middlewares.
//
// # Order
//
// Inside of a cache, so that each variant is encoded once, and outside of whatever
// answers. Layers outside see the encoded body.
//
// # Defaults
//
//	Codings       zstd, br, gzip: the first of those that a client likes best
//	MinSize       500 bytes
//	ContentTypes  text, JSON, XML, scripts, WebAssembly, fonts and images without a compression
//	GzipLevel     6
//	BrotliQuality 5 up to 64 KiB, 4 above and for streams
//	ZstdLevel     2, 1 for streams
//	BufferSize    64 KiB
//	Window        128 KiB
//	MaxStreams    256 of each coding
//	MaxBusy       4 bodies of each coding for each processor
//	ETags         a suffix
//	Padding       none
package compress
