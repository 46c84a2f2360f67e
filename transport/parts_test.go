package transport

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/daytonaio/runner-android/internal/fault"
)

func TestCutParts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path string
		n    int
		want string
	}{
		{"/a/b/c", 0, "/a/b/c"}, {"/a/b/c", 1, "/b/c"}, {"/a/b/c", 2, "/c"}, {"/a/b/c", 3, "/c"}, {"/a/b/", 2, "/"}, {"", 2, ""}, {"/", 1, "/"}, {"//x", 1, "/x"},
	}
	for _, tt := range tests {
		if got := cutParts(tt.path, tt.n); got != tt.want {
			t.Errorf("%q without %d parts is %q, want %q", tt.path, tt.n, got, tt.want)
		}
	}
}

// Ensure shared contexts end neither before their limit nor much after, each with its reason.
func TestDeadlinesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		life, end := context.WithCancelCause(t.Context())
		d := &deadlines{life: life, limit: 10 * time.Second}
		begun := time.Now()
		first := d.at(begun)
		if d.at(begun.Add(grain-1)) != first {
			t.Error("two requests within a grain have two contexts")
		}
		time.Sleep(grain)
		second := d.at(time.Now())
		if second == first {
			t.Error("the context was not renewed")
		}
		<-first.Done()
		if took := time.Since(begun); took < d.limit || took > d.limit+grain || !fault.Is(context.Cause(first), fault.Timeout) {
			t.Errorf("ended after %s: %v", took, context.Cause(first))
		}
		end(errStopping)
		<-second.Done()
		if !errors.Is(context.Cause(second), errStopping) {
			t.Errorf("ended with %v", context.Cause(second))
		}
	})
}

// Ensure a request that still arrives on an open connection while the server stops is refused,
// the open route too, so that whoever balances load looks elsewhere.
func TestNewWorkIsRefusedWhileDraining(t *testing.T) {
	t.Parallel()
	s, err := New(Options{Addr: ":0", Token: "token"})
	if err != nil {
		t.Fatal(err)
	}
	called := false
	s.Mount("", []Route{{Method: "GET", Path: "/", Open: true, Handler: func(*Ctx) error { called = true; return nil }}})
	s.draining.Store(true)
	for _, path := range []string{"/", "/nowhere"} {
		var rc fasthttp.RequestCtx
		rc.Request.SetRequestURI(path)
		s.dispatch(&rc)
		if body := string(rc.Response.Body()); rc.Response.StatusCode() != 503 || !strings.Contains(body, `"code":"CANCELLED"`) || called {
			t.Errorf("%s: got %d %s", path, rc.Response.StatusCode(), body)
		}
	}
}

// answerWith is actors that always say the same.
type answerWith struct {
	answer any
	err    error
}

func (a answerWith) Ask(context.Context, any) (any, error) { return a.answer, a.err }

func TestAsk(t *testing.T) {
	t.Parallel()
	if got, err := Ask[int](t.Context(), answerWith{answer: 7}, "q"); got != 7 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
	refused := fault.Conflictf("no")
	if _, err := Ask[int](t.Context(), answerWith{answer: 7, err: refused}, "q"); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	for _, wrong := range []any{"text", nil} {
		_, err := Ask[int](t.Context(), answerWith{answer: wrong}, 1.5)
		if !fault.Is(err, fault.Internal) || !strings.Contains(err.Error(), "float64 was answered with") || !strings.Contains(err.Error(), "want int") {
			t.Errorf("got %v", err)
		}
	}
}

// FuzzLookout: a mark is seen however it is cut into pieces, and only when it is there.
func FuzzLookout(f *testing.F) {
	f.Add("x--b--\r\n", "--b--", uint8(2))
	f.Fuzz(func(t *testing.T, text, mark string, step uint8) {
		if mark == "" {
			return
		}
		l := &lookout{r: strings.NewReader(text), mark: mark}
		got, err := io.ReadAll(io.MultiReader(iotest.OneByteReader(io.LimitReader(l, int64(step))), l))
		if err != nil || string(got) != text {
			t.Fatalf("%q, %v", got, err)
		}
		if l.seen != strings.Contains(text, mark) {
			t.Errorf("%q in %q: seen %t", mark, text, l.seen)
		}
	})
}
