// Package markup gives the tags of html/template the nonce of the response, and
// computes the hashes of the code within pages that are always the same. Neither has
// to be written into a page then, nor can it be forgotten.
//
//	t, err := template.ParseFS(files, "*.html") // html/template
//	if err != nil {
//		return err
//	}
//	pages, err := markup.New(t)
//	if err != nil {
//		return err
//	}
//	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
//		err := pages.ExecuteTemplate(r.Context(), w, "home.html", data)
//		...
//	})
//	srv := &http.Server{Handler: sec.Middleware(mux)} // a secheaders.Secure
//
// # What it guarantees
//
//   - Each script and style tag in the text of the templates has a nonce attribute, and
//     so has each link that loads either: stylesheet, modulepreload, and preload and
//     prefetch as script or style. Tags that have one in some branch stay as they are.
//   - Nothing else changes. html/template has put its escapers in before an attribute
//     gets its place, so that they are those of the template as it was written.
//   - Data never gets one: a script within a value of [template.HTML] has no place for
//     it, and stays blocked.
//   - The nonce is read before the first byte is written, which fixes the header, so
//     that caches further out are told that the page is private. Pages without such a
//     tag do not read it, and may be cached.
//   - Without secheaders there is no nonce, and no attribute: the page is what
//     html/template makes of it.
//
// # What it does not
//
// A tag gets none where it is not certain that the name has ended, as in
// <script{{.Attrs}}>: put a space there. One that ends the element of another template
// gets none, where that is called within a tag or a script. Tags that a browser takes
// for text, as in an iframe, get none. After a tag that browsers and html/template read
// in two ways, such as <script)x>, there is none in that template.
//
// A template that is called between tags must end between tags: [New] refuses others,
// of which html/template itself loses track at their second call.
//
// A nonce does not help against an attacker who makes it his own. Where a page writes
// data as HTML in front of a script, an unclosed tag in there may swallow the script's
// tag with the nonce (CSP Level 3 §7.2): put scripts first in head, before any data.
//
// # Hashes
//
// A page that is the same for everyone can be cached by all, but not with a nonce. Its
// code is allowed by hashes instead:
//
//	code, err := markup.HashesFS(site) // an embed.FS
//
// [Inline] tells what goes where in a policy. Handlers and style attributes are apart:
// they need 'unsafe-hashes', and should rather become scripts and styles. Each hash
// takes 54 bytes of a header that proxies bound at 4 to 8 KiB; code that many pages have
// belongs into files. Pages of XML, and code that scripts add, are not read.
//
// # Cost
//
// One allocation for each page that has a nonce, beside that of the nonce itself; the
// templates exist once. New and Hashes are for when a program starts.
package markup
