package llm

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func FuzzReadStream(f *testing.F) {
	f.Add([]byte(`{"message":{"content":"The "},"done":false}` + "\n" + `{"done":true,"prompt_eval_count":2,"eval_count":1}`))
	f.Add([]byte(`{"message":{"content":"x"}}` + "\r\n\r\n" + `{"error":"out of memory"}`))
	f.Add([]byte("null\n[]\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		read := func(oneByOne bool) (string, error) {
			var text strings.Builder
			r := bytes.NewReader(stream)
			emit := func(s string) error {
				require.NotEmpty(t, s)
				text.WriteString(s)
				return nil
			}
			var err error
			if oneByOne {
				_, err = readStream(iotest.OneByteReader(r), emit)
			} else {
				_, err = readStream(r, emit)
			}
			return text.String(), err
		}
		text, err := read(false)
		again, errAgain := read(true)
		require.Equal(t, text, again, "how the bytes arrive must not matter")
		require.Equal(t, err, errAgain)
		require.LessOrEqual(t, len(text), 3*len(stream), "a byte that is not UTF-8 becomes U+FFFD")
	})
}
