// Package httpheader reads the small grammars of HTTP fields without allocating
// (but for quoted values with escapes): lists, tokens, parameters and weights (RFC 9110 §5.6, §12.4.2).
// It never panics and is linear in its input. Where a recipient has a choice it
// is lenient about white space and empty elements, as §5.6.1.2 asks, and strict
// about everything that could change a meaning.
//
// Structured fields (RFC 9651) are written and read where options are checked, and
// may allocate: one fault in them voids the whole field, without a word.
package httpheader
