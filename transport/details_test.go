package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// Ensure an error's own fields stand behind the usual ones, never in their place, and lose credentials as messages do.
func TestDetailed(t *testing.T) {
	t.Parallel()
	err := transport.Detailed(transport.Unprocessablef("refused"), map[string]any{
		"reason": "Bearer abcdefgh is wrong", "log": []string{"password=hunter2", "b"}, "pid": 7, "message": "mine", "statusCode": 200,
	})
	if !fault.Is(err, fault.Conflict) || err.Error() != "refused" || transport.Detailed(nil, nil) != nil {
		t.Errorf("%v", err)
	}
	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
		s.Mount("", []transport.Route{
			{Method: "GET", Path: "/x", Handler: func(*transport.Ctx) error { return err }},
			{Method: "GET", Path: "/y", Handler: func(c *transport.Ctx) error {
				text := c.ErrorText()
				c.Stream("text/plain", func(_ context.Context, w *bufio.Writer) error {
					_, failed := w.Write(text(err))
					return failed
				})
				return nil
			}},
		})
	})
	for _, path := range []string{"/x", "/y"} {
		got := c.Do("GET", path, "")
		if got.Field(t, "statusCode") != "422" || got.Field(t, "message") != "unprocessable entity: refused" || got.Field(t, "code") != "UNPROCESSABLE_ENTITY" ||
			got.Field(t, "path") != path || got.Field(t, "pid") != "7" || got.Field(t, "log") != `["password=(redacted)","b"]` || strings.Contains(got.Body, "abcdefgh") || !json.Valid([]byte(got.Body)) {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
}
