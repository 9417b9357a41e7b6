package llm

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/sluice-go/sluice/examples/server/app"
)

// maxLine is the longest line of a stream in bytes. A line holds about a token.
const maxLine = 64 << 10

type streamLine struct {
	Message struct {
		Content string `json:"content"`
	} `json:"message"`
	Error           string `json:"error"`
	Done            bool   `json:"done"`
	PromptEvalCount int    `json:"prompt_eval_count"`
	EvalCount       int    `json:"eval_count"`
}

// readStream reads an answer: one JSON object per line, up to one that is done.
func readStream(r io.Reader, emit func(string) error) (app.Usage, error) {
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return app.Usage{}, fmt.Errorf("a line of the answer has more than %d bytes", maxLine)
		case err == io.EOF && len(line) > 0: // the last line may lack its end
		case err == io.EOF:
			return app.Usage{}, errors.New("the answer ended before it was done")
		case err != nil:
			return app.Usage{}, err
		}
		var l streamLine
		if err := json.Unmarshal(line, &l); err != nil {
			return app.Usage{}, fmt.Errorf("a line of the answer cannot be read: %w", err)
		}
		if l.Error != "" {
			return app.Usage{}, errors.New(clip(l.Error, 200))
		}
		if l.Message.Content != "" {
			if err := emit(l.Message.Content); err != nil {
				return app.Usage{}, err
			}
		}
		if l.Done {
			return app.Usage{PromptTokens: l.PromptEvalCount, AnswerTokens: l.EvalCount}, nil
		}
	}
}
