package reqinfo_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/testutil"
)

// copyWatching is h inside a layer that watches and hands on a copy.
func copyWatching(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var room reqinfo.CopySpace
		var e reqinfo.Entry
		room.Watch(&e, w, r, nil)
		defer e.Leave()
		e.Next(h)
	})
}

// again gives a request a body of its own, for another look at the upload.
func again(r *http.Request, whole []byte) *http.Request {
	c := r.WithContext(r.Context())
	c.Body = io.NopCloser(bytes.NewReader(whole))
	return c
}

func readAll(r *http.Request) []byte {
	whole, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	return whole
}

// onCopies tries handlers one after the other, each on a copy of the request,
// as a middleware that retries does.
func onCopies(hs ...http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole := readAll(r)
		for _, h := range hs {
			h.ServeHTTP(w, again(r, whole))
		}
	})
}

// onOne tries handlers one after the other on the request itself.
func onOne(hs ...http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, h := range hs {
			h.ServeHTTP(w, r)
		}
	})
}

// spilling parses an upload into a file, and says so when it cannot.
var spilling = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseMultipartForm(0); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f, err := r.MultipartForm.File["file"][0].Open()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	f.Close()
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) == 0 {
		http.Error(w, "the upload was not spilled to a file", http.StatusInternalServerError)
	}
})

func then(h http.Handler, after func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		after()
	})
}

// survivor lets a handler panic and answers for it.
func survivor(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { _ = recover() }()
		h.ServeHTTP(w, r)
	})
}

func twinForms(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole := readAll(r)
		h.ServeHTTP(w, again(r, whole))
		r.Body = io.NopCloser(bytes.NewReader(whole))
		spilling(w, r)
	})
}

func TestTemporaryFilesAreRemovedUnderWatchers(t *testing.T) {
	boom := func() { panic(http.ErrAbortHandler) }
	one := func(h http.Handler) http.Handler { return layers(1, h) }
	tests := []struct {
		name string
		h    func() http.Handler
		cut  bool // the connection
	}{
		{"alone", func() http.Handler { return spilling }, false},
		{"through layers", func() http.Handler { return layers(3, spilling) }, false},
		{"from a foreign copy", func() http.Handler { return copier(one(spilling)) }, false},
		{"from a foreign copy between layers", func() http.Handler { return one(copier(one(spilling))) }, false},
		{"from a foreign copy in a foreign copy", func() http.Handler { return copier(one(copier(one(spilling)))) }, false},
		{"of two handlers on one request", func() http.Handler { return onOne(one(spilling), one(spilling)) }, false},
		{"of a second handler on one request", func() http.Handler { return onOne(one(hello), one(spilling)) }, false},
		{"of a second handler on one copy", func() http.Handler { return copier(onOne(one(hello), one(spilling))) }, false},
		{"of a second handler on a copy", func() http.Handler { return onCopies(one(hello), one(spilling)) }, false},
		{"of two attempts on copies", func() http.Handler { return onCopies(one(spilling), one(spilling)) }, false},
		{"of three attempts on copies", func() http.Handler { return onCopies(one(spilling), one(spilling), one(spilling)) }, false},
		{"of two attempts on copies inside a layer", func() http.Handler { return one(onCopies(one(spilling), one(spilling))) }, false},
		{"of a second attempt in a second attempt", func() http.Handler {
			return onCopies(one(hello), onCopies(one(hello), one(spilling)))
		}, false},
		{"of a second attempt that panics and is survived", func() http.Handler {
			return survivor(onOne(one(hello), one(then(spilling, boom))))
		}, false},
		{"of a second attempt on a copy that panics and is survived", func() http.Handler {
			return survivor(onCopies(one(hello), one(then(spilling, boom))))
		}, false},
		{"of two forms on a copy and on its original", func() http.Handler { return twinForms(one(spilling)) }, false},
		{"of two forms on a copy and on its original inside a layer", func() http.Handler { return one(twinForms(one(spilling))) }, false},
		{"after a panic", func() http.Handler { return then(spilling, boom) }, true},
		{"after a panic inside layers", func() http.Handler { return layers(2, then(spilling, boom)) }, true},
		{"after a panic on a foreign copy", func() http.Handler { return copier(one(then(spilling, boom))) }, true},
		{"after a panic outside of a layer", func() http.Handler { return then(copier(one(spilling)), boom) }, true},
		{"after Goexit", func() http.Handler { return layers(1, then(spilling, runtime.Goexit)) }, true},
	}
	for kind, outer := range map[string]func(http.Handler) http.Handler{"a watcher": watching, "a copying watcher": copyWatching, "a layer": one} {
		for _, tt := range tests {
			t.Run(tt.name+" under "+kind, func(t *testing.T) {
				tmp := t.TempDir()
				for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
					t.Setenv(name, tmp)
				}
				body, returned := served(outer(tt.h()), serverSide(t, smallUpload(t, "http://example.com/")))
				require.Equal(t, tt.cut, !returned)
				require.Equal(t, "", strings.ReplaceAll(body, "hello", ""), "what spilling has to complain about")
				left, err := os.ReadDir(tmp)
				require.NoError(t, err)
				require.Empty(t, left, "temporary files are left")
			})
		}
	}
}

// served does what net/http does with a request and its form.
func served(h http.Handler, r *http.Request) (body string, returned bool) {
	w := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		h.ServeHTTP(w, r)
		returned = true
		if r.MultipartForm != nil {
			_ = r.MultipartForm.RemoveAll()
		}
	}()
	<-done
	return w.Body.String(), returned
}

// smallUpload is an upload that spilling spills all the same.
func smallUpload(t *testing.T, url string) *http.Request {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "small.bin")
	require.NoError(t, err)
	_, err = part.Write(make([]byte, 1<<10))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	r, err := http.NewRequest("POST", url, &body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return r
}

// serverSide makes a client's request look like a server's.
func serverSide(t *testing.T, r *http.Request) *http.Request {
	t.Helper()
	require.NotNil(t, r.Body)
	r.RequestURI = r.URL.RequestURI()
	return r
}

// A handler that outlives its time is done with its form when it returns, and
// nobody outside of it ever saw that form.
func TestTemporaryFilesOfHandlersThatOutliveTheirTime(t *testing.T) {
	one := func(h http.Handler) http.Handler { return layers(1, h) }
	for kind, outer := range map[string]func(http.Handler) http.Handler{
		"a layer":                       one,
		"a watcher and a layer":         func(h http.Handler) http.Handler { return watching(one(h)) },
		"a copying watcher and a layer": func(h http.Handler) http.Handler { return copyWatching(one(h)) },
	} {
		t.Run(kind, func(t *testing.T) {
			tmp := t.TempDir()
			for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
				t.Setenv(name, tmp)
			}
			release, done := make(chan struct{}), make(chan struct{})
			slow := then(spilling, func() { <-release })
			srv := testutil.Start(t, outer(http.TimeoutHandler(then(one(slow), func() { close(done) }), 50*time.Millisecond, "")))
			res, err := srv.Client().Do(smallUpload(t, srv.URL))
			require.NoError(t, err)
			res.Body.Close()
			require.Equal(t, 503, res.StatusCode)
			close(release)
			<-done
			left, err := os.ReadDir(tmp)
			require.NoError(t, err)
			require.Empty(t, left, "temporary files are left")
		})
	}
}

// The form stays whole for whoever is outside of the layers, whatever layers,
// copies and attempts are inside.
func TestAFormIsNotRemovedBeforeOuterMiddlewaresSawIt(t *testing.T) {
	one := func(h http.Handler) http.Handler { return layers(1, h) }
	for kind, outer := range map[string]func(http.Handler) http.Handler{"a watcher": watching, "a copying watcher": copyWatching, "a layer": one} {
		for name, h := range map[string]http.Handler{
			"no layer":                             spilling,
			"a layer":                              one(spilling),
			"a foreign copy":                       copier(one(spilling)),
			"a layer and a foreign copy":           one(copier(one(spilling))),
			"two handlers":                         onOne(one(spilling), one(hello)),
			"a second handler":                     onOne(one(hello), one(spilling)),
			"two attempts on copies":               onCopies(one(hello), one(spilling)),
			"two attempts on copies, both spilled": onCopies(one(spilling), one(spilling)),
			"two attempts on copies in a layer":    one(onCopies(one(spilling), one(spilling))),
		} {
			t.Run(name+" under "+kind, func(t *testing.T) {
				tmp := t.TempDir()
				t.Setenv("TMPDIR", tmp)
				r := serverSide(t, smallUpload(t, "http://example.com/"))
				outer(h).ServeHTTP(&nullWriter{h: http.Header{}}, r)
				require.NotNil(t, r.MultipartForm, "the server and outer middlewares see it")
				f, err := r.MultipartForm.File["file"][0].Open()
				require.NoError(t, err)
				f.Close()
				require.NoError(t, r.MultipartForm.RemoveAll()) // as the server does
				left, err := os.ReadDir(tmp)
				require.NoError(t, err)
				require.Empty(t, left)
			})
		}
	}
}

// A form that was parsed outside of all layers is the outside's, also when a
// handler is left behind that has a copy of it.
func TestAFormParsedOutsideOutlivesAHandlerThatOutlivedItsTime(t *testing.T) {
	one := func(h http.Handler) http.Handler { return layers(1, h) }
	for kind, outer := range map[string]func(http.Handler) http.Handler{
		"a layer":               one,
		"a watcher and a layer": func(h http.Handler) http.Handler { return watching(one(h)) },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			release, done := make(chan struct{}), make(chan struct{})
			slow := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
			h := outer(http.TimeoutHandler(then(one(slow), func() { close(done) }), time.Millisecond, ""))
			r := serverSide(t, smallUpload(t, "http://example.com/"))
			require.NoError(t, r.ParseMultipartForm(0))
			h.ServeHTTP(httptest.NewRecorder(), r)
			close(release)
			<-done
			f, err := r.MultipartForm.File["file"][0].Open()
			require.NoError(t, err)
			f.Close()
			require.NoError(t, r.MultipartForm.RemoveAll())
		})
	}
}
