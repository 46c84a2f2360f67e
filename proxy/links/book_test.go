package links_test

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/proxy/links"
)

// memory keeps links of the sandboxes that it knows.
type memory struct {
	mu  sync.Mutex
	all map[sandbox.ID][]links.Link
}

func (m *memory) Links(_ context.Context, id sandbox.ID) ([]links.Link, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]links.Link(nil), m.all[id]...), nil
}

func (m *memory) SaveLinks(_ context.Context, id sandbox.ID, all []links.Link) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.all[id]; !ok {
		return fault.NotFoundf("no sandbox %s", id)
	}
	m.all[id] = append([]links.Link(nil), all...)
	return nil
}

func (m *memory) Sandboxes(context.Context) (ids []sandbox.ID, err error) {
	for id := range m.all {
		ids = append(ids, id)
	}
	return ids, nil
}

// Ensure a link opens the display of its sandbox until it ends, across restarts of the runner, and nothing else does.
func TestLinks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		store := &memory{all: map[sandbox.ID][]links.Link{"dev-1": nil, "dev-2": nil}}
		book := links.New("secret", store)
		link, err := book.Make(ctx, "dev-1", time.Hour, "for Ann")
		if err != nil {
			t.Fatal(err)
		}
		token := book.Token(link)
		if !regexp.MustCompile(`^[a-z2-7]{40}$`).MatchString(token) {
			t.Errorf("token %q", token)
		}
		other, err := book.Make(ctx, "dev-2", time.Hour, "")
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string]*links.Book{"the same": book, "after a restart": links.New("secret", store)} {
			got, until, err := b.Open(ctx, token)
			if err != nil || got.Sandbox != "dev-1" || got.Label != "for Ann" || until.Err() != nil {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
		flipped := map[byte]byte{'a': 'b'}
		last := token[len(token)-1]
		if flipped[last] == 0 {
			flipped[last] = 'a'
		}
		for name, bad := range map[string]string{
			"nothing": "", "short": token[:20], "long": token + "a", "another signature": token[:39] + string(flipped[last]),
			"the signature of another link": token[:16] + book.Token(other)[16:], "capitals": strings.ToUpper(token),
		} {
			if _, _, err := book.Open(ctx, bad); !fault.Is(err, fault.NotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, _, err := links.New("another secret", store).Open(ctx, token); !fault.Is(err, fault.NotFound) {
			t.Errorf("another secret: %v", err)
		}
		_, until, _ := book.Open(ctx, token)
		_, others, _ := book.Open(ctx, book.Token(other))
		if err := book.Revoke(ctx, "dev-2", link.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("revoked by another sandbox: %v", err)
		}
		if err := book.Revoke(ctx, "dev-1", link.ID); err != nil {
			t.Fatal(err)
		}
		if _, _, err := book.Open(ctx, token); !fault.Is(err, fault.NotFound) {
			t.Errorf("revoked: %v", err)
		}
		if until.Err() == nil || !strings.Contains(context.Cause(until).Error(), "revoked") || others.Err() != nil {
			t.Errorf("uses: %v, %v", context.Cause(until), others.Err())
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, _, err := book.Open(ctx, book.Token(other)); !fault.Is(err, fault.NotFound) || others.Err() == nil {
			t.Errorf("expired: %v, %v", err, others.Err())
		}
	})
}

// Ensure links of a sandbox that was destroyed open nothing of another one that has its name.
func TestLinksGoWithTheSandbox(t *testing.T) {
	t.Parallel()
	store := &memory{all: map[sandbox.ID][]links.Link{"dev-1": nil}}
	book := links.New("secret", store)
	link, err := book.Make(t.Context(), "dev-1", time.Hour, "")
	if err != nil {
		t.Fatal(err)
	}
	store.all = map[sandbox.ID][]links.Link{"dev-1": nil}
	if _, _, err := book.Open(t.Context(), book.Token(link)); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// Ensure links have bounds.
func TestBounds(t *testing.T) {
	t.Parallel()
	book := links.New("secret", &memory{all: map[sandbox.ID][]links.Link{"dev-1": nil}})
	for _, c := range []struct {
		id    sandbox.ID
		span  time.Duration
		label string
		kind  fault.Kind
	}{
		{"dev-1", 0, "", fault.Invalid},
		{"dev-1", links.Longest + 1, "", fault.Invalid},
		{"dev-1", time.Hour, "two\nlines", fault.Invalid},
		{"gone", time.Hour, "", fault.NotFound},
	} {
		if _, err := book.Make(t.Context(), c.id, c.span, c.label); !fault.Is(err, c.kind) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for range 100 {
		if _, err := book.Make(t.Context(), "dev-1", time.Hour, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := book.Make(t.Context(), "dev-1", time.Hour, ""); !fault.Is(err, fault.Exhausted) {
		t.Error(err)
	}
}
