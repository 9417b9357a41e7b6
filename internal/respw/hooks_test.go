package respw_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/respw"
	"github.com/sluice-go/sluice/internal/testutil"
)

// hook notes the order in which hooks run.
type hook struct {
	name string
	log  *[]string
}

func (h hook) BeforeHeader(status int, header http.Header) {
	*h.log = append(*h.log, h.name+" "+http.StatusText(status)+" "+header.Get("Set-By"))
	header.Set("Set-By", h.name)
}

func (h hook) Outgrew() { *h.log = append(*h.log, h.name+" outgrew") }

func (h hook) Flushed() { *h.log = append(*h.log, h.name+" flushed") }

func (h hook) Hijacked(c net.Conn, rw *bufio.ReadWriter) (net.Conn, *bufio.ReadWriter) {
	*h.log = append(*h.log, h.name)
	return c, rw
}

func TestHeaderHooksRunOnceInnermostFirstAtTheLastMoment(t *testing.T) {
	tests := []struct {
		name string
		h    http.HandlerFunc
		want string
	}{
		{"before WriteHeader", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); w.WriteHeader(500) }, "Not Found"},
		{"before the first write", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("x")); w.Write([]byte("x")) }, "OK"},
		{"before the first string", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") }, "OK"},
		{"before a flush", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, "OK"},
		{"before a flush through a ResponseController", func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
		}, "OK"},
		{"before ReadFrom", func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, onlyReader{strings.NewReader("x")}) }, "OK"},
		{"after 103 and before the final status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(204) }, "No Content"},
		{"when the handler wrote nothing", func(http.ResponseWriter, *http.Request) {}, "OK"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log []string
			srv := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				serve(w, r, func(w http.ResponseWriter, r *http.Request) {
					rec := respw.From(w)
					for _, name := range []string{"1", "2", "3", "4", "5", "6"} {
						require.True(t, rec.OnHeader(hook{name, &log}))
					}
					w.Header().Set("Set-By", "handler")
					tt.h(w, r)
					require.Equal(t, !rec.Committed(), rec.OnHeader(hook{"6", &log}))
				})
			}))
			res, err := srv.Client().Get(srv.URL)
			require.NoError(t, err)
			res.Body.Close()
			if tt.name == "when the handler wrote nothing" {
				log = log[1:] // the hook registered after the handler
			}
			require.Equal(t, []string{tt.want}, unique(statuses(log)))
			require.Len(t, log, 6)
			require.Equal(t, "1", res.Header.Get("Set-By"), "the outermost layer has the last word")
		})
	}
}

func TestWatchersHearOfTheFirstFlushBeforeItHappens(t *testing.T) {
	flushes := []struct {
		name  string
		flush func(w http.ResponseWriter) error
	}{
		{"Flush", func(w http.ResponseWriter) error { w.(http.Flusher).Flush(); return nil }},
		{"FlushError", func(w http.ResponseWriter) error { return w.(interface{ FlushError() error }).FlushError() }},
		{"a ResponseController", func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() }},
	}
	for _, tt := range flushes {
		t.Run(tt.name, func(t *testing.T) {
			var log []string
			testutil.BothProtocols(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				serve(w, r, func(w http.ResponseWriter, _ *http.Request) {
					log = nil
					rec := respw.From(w)
					rec.Watch(hook{"outer", &log})
					rec.Watch(hook{"inner", &log})
					io.WriteString(w, "x")
					require.Empty(t, log)
					for range 3 {
						require.NoError(t, tt.flush(w))
					}
					rec.Watch(hook{"late", &log})
					require.NoError(t, tt.flush(w))
				})
			}), func(t *testing.T, srv testutil.Server) {
				res, err := srv.Client().Get(srv.URL)
				require.NoError(t, err)
				_, err = io.Copy(io.Discard, res.Body)
				require.NoError(t, err)
				res.Body.Close()
				require.Equal(t, []string{"outer flushed", "inner flushed"}, log)
			})
		})
	}
}

func TestWatchersHearOnceThatABodyOutgrewTheBuffer(t *testing.T) {
	piece := strings.Repeat("x", 1500)
	tests := []struct {
		name string
		h    func(w http.ResponseWriter)
		want []string
	}{
		{"not while it fits", func(w http.ResponseWriter) { io.WriteString(w, piece) }, nil},
		{"by writing", func(w http.ResponseWriter) { w.Write([]byte(piece)); w.Write([]byte(piece)); w.Write([]byte(piece)) }, []string{"1 outgrew"}},
		{"by strings", func(w http.ResponseWriter) { io.WriteString(w, piece+piece) }, []string{"1 outgrew"}},
		{"by ReadFrom", func(w http.ResponseWriter) { io.Copy(w, onlyReader{strings.NewReader(piece + piece)}) }, []string{"1 outgrew"}},
		{"not after a flush", func(w http.ResponseWriter) {
			w.(http.Flusher).Flush()
			io.WriteString(w, piece+piece)
		}, []string{"1 flushed"}},
		{"and of a later flush", func(w http.ResponseWriter) {
			io.WriteString(w, piece+piece)
			w.(http.Flusher).Flush()
		}, []string{"1 outgrew", "1 flushed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log []string
			srv := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				serve(w, r, func(w http.ResponseWriter, _ *http.Request) {
					respw.From(w).Watch(hook{"1", &log})
					tt.h(w)
				})
			}))
			res, err := srv.Client().Get(srv.URL)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			require.Equal(t, tt.want, log)
		})
	}
}

func TestHooksMayBeManyAndHaveRoomGiven(t *testing.T) {
	var log []string
	w := httptest.NewRecorder()
	serve(w, httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
		rec := respw.From(w)
		rec.HookSpace(new(respw.Hooks))
		rec.OnHeader(hook{"1", &log})
		rec.HookSpace(new(respw.Hooks)) // too late, and no hook gets lost
		rec.OnHeader(hook{"2", &log})
		rec.OnHeader(hook{"3", &log})
		w.WriteHeader(204)
	})
	require.Len(t, log, 3)
	require.Equal(t, "1", w.Header().Get("Set-By"))
}

func statuses(log []string) (out []string) {
	for _, l := range log {
		out = append(out, strings.TrimSpace(l[2:strings.LastIndexByte(l, ' ')]))
	}
	return out
}

func unique(s []string) (out []string) {
	for i, v := range s {
		if i == 0 || v != s[i-1] {
			out = append(out, v)
		}
	}
	return out
}

func TestAnInterimResponseCarriesNothingOfTheHooks(t *testing.T) {
	srv := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, func(w http.ResponseWriter, r *http.Request) {
			var log []string
			respw.From(w).OnHeader(hook{"1", &log})
			w.WriteHeader(http.StatusEarlyHints)
		})
	}))
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	all, err := io.ReadAll(conn)
	require.NoError(t, err)
	interim, final, _ := strings.Cut(string(all), "\r\n\r\n")
	require.Contains(t, interim, "103 Early Hints")
	require.NotContains(t, interim, "Set-By")
	require.Contains(t, final, "Set-By: 1")
}

// recordingHook notes its name when it runs.
type recordingHook struct {
	name string
	ran  *[]string
}

func (h recordingHook) BeforeHeader(int, http.Header) { *h.ran = append(*h.ran, h.name) }

func TestTheFirstHookIsTheOutermost(t *testing.T) {
	for _, others := range []int{0, 2} {
		for name, fix := range map[string]func(http.ResponseWriter){
			"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
			"the end":     func(http.ResponseWriter) {},
		} {
			var ran []string
			w := httptest.NewRecorder()
			front, rec := new(respw.Space).WrapLike(w, w, httptest.NewRequest(http.MethodGet, "/", nil))
			rec.FirstHook(recordingHook{"first", &ran})
			want := []string{"first"}
			for i := range others {
				inner := fmt.Sprint("inner ", i)
				require.True(t, rec.OnHeader(recordingHook{inner, &ran}))
				want = append([]string{inner}, want...)
			}
			fix(front)
			rec.End(true)
			require.Equal(t, want, ran, name)
		}
	}
}
