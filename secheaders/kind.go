package secheaders

import "strings"

// kind is what a browser makes of a response.
type kind uint8

const (
	document kind = iota // it may run code, or nobody knows
	data                 // it is read by programs, or saved
	asset                // it is part of a document
	kinds
)

// kindOf tells by Content-Type. What is unknown, malformed or listed with a comma, of
// which a browser takes the last (Fetch, "extract a MIME type"), is a document.
func kindOf(contentTypes []string) kind {
	if len(contentTypes) != 1 {
		return document
	}
	switch contentTypes[0] { // as nearly all are written
	case "text/html; charset=utf-8", "text/html":
		return document
	case "application/json", "application/json; charset=utf-8":
		return data
	}
	if strings.IndexByte(contentTypes[0], ',') >= 0 {
		return document
	}
	mediaType, _, _ := strings.Cut(contentTypes[0], ";")
	main, sub, _ := strings.Cut(mediaType, "/")
	main, sub = strings.TrimLeft(main, " \t"), strings.TrimRight(sub, " \t")
	switch {
	case equal(main, "application"):
		return kindOfApplication(sub)
	case equal(main, "text"):
		return kindOfText(sub)
	case equal(main, "image"):
		if hasSuffix(sub, "+xml") {
			return document // an SVG file runs scripts
		}
		return asset
	case equal(main, "audio"), equal(main, "video"), equal(main, "font"):
		return asset
	}
	return document
}

func kindOfApplication(sub string) kind {
	switch {
	case equal(sub, "json"), hasSuffix(sub, "+json"), equal(sub, "octet-stream"), equal(sub, "x-ndjson"),
		equal(sub, "zip"), equal(sub, "gzip"), equal(sub, "x-protobuf"), equal(sub, "protobuf"), equal(sub, "cbor"):
		return data
	case isJavaScript(sub), equal(sub, "wasm"), equal(sub, "ogg"), equal(sub, "vnd.ms-fontobject"), equal(sub, "font-woff"),
		equal(sub, "vnd.apple.mpegurl"):
		return asset
	}
	return document
}

func kindOfText(sub string) kind {
	switch {
	case equal(sub, "plain"), equal(sub, "event-stream"), equal(sub, "csv"), equal(sub, "json"):
		return data
	case isJavaScript(sub), equal(sub, "css"), equal(sub, "vtt"):
		return asset
	}
	return document
}

// isJavaScript tells of the types by which browsers take a script (MIME Sniffing §4.6).
func isJavaScript(sub string) bool {
	if len(sub) > 2 && (sub[0] == 'x' || sub[0] == 'X') && sub[1] == '-' {
		sub = sub[2:]
	}
	if len(sub) == len("javascript1.0") && equal(sub[:len("javascript1.")], "javascript1.") {
		return '0' <= sub[len(sub)-1] && sub[len(sub)-1] <= '5'
	}
	return equal(sub, "javascript") || equal(sub, "ecmascript") || equal(sub, "jscript") || equal(sub, "livescript")
}

// equal and hasSuffix compare ASCII without case; b is in lower case. A Content-Type is
// mostly written in it.
func equal(a, b string) bool { return a == b || len(a) == len(b) && strings.EqualFold(a, b) }

func hasSuffix(s, suffix string) bool {
	return len(s) >= len(suffix) && equal(s[len(s)-len(suffix):], suffix)
}
