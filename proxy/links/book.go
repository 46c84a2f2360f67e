package links

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

const (
	// Default is how long a link holds.
	Default = time.Hour
	// Longest is the most that a link may hold.
	Longest = 30 * 24 * time.Hour
	// Shortest is the least that a link may hold.
	Shortest = time.Second
	// maxPerSandbox is how many links of one sandbox there may be at a time.
	maxPerSandbox = 100
	// maxLabel bounds what people write on a link, in bytes.
	maxLabel = 200
	// numberSize and signatureSize are the parts of a token; together forty characters, because a label of a host
	// name has sixty-three.
	numberSize, signatureSize = 10, 15
)

// alphabet is that of host names, which have no capitals.
var alphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Link is the right to use the display of one sandbox until it expires.
type Link struct {
	ID      string // 16 characters
	Sandbox sandbox.ID
	Label   string
	Created time.Time
	Expires time.Time
}

// Store keeps links across restarts. A sandbox that is gone has none.
type Store interface {
	Links(ctx context.Context, id sandbox.ID) ([]Link, error)
	// SaveLinks replaces those of a sandbox; NotFound for an unknown one.
	SaveLinks(ctx context.Context, id sandbox.ID, links []Link) error
	// Sandboxes are those that have links.
	Sandboxes(ctx context.Context) ([]sandbox.ID, error)
}

// Book knows the links. It is safe for concurrent use.
type Book struct {
	key   []byte
	store Store

	mu     sync.Mutex // also of the store's files
	loaded bool
	of     map[string]sandbox.ID // by the id of a link
	open   map[string]*use
}

// use is a link that viewers use at the moment.
type use struct {
	ctx context.Context
	end context.CancelCauseFunc
}

// New makes a book whose links are signed with a key of its own, derived from secret.
func New(secret string, store Store) *Book {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("runner-android display links, version 1"))
	return &Book{key: mac.Sum(nil), store: store, of: map[string]sandbox.ID{}, open: map[string]*use{}}
}

// Make hands out a link. Invalid for a span or a label that cannot be, Exhausted for too many, NotFound for an unknown
// sandbox.
func (b *Book) Make(ctx context.Context, id sandbox.ID, span time.Duration, label string) (Link, error) {
	if span < Shortest || span > Longest {
		return Link{}, fault.Invalidf("a link holds from %s to %d days", Shortest, int(Longest.Hours()/24))
	}
	if len(label) > maxLabel || strings.ContainsFunc(label, func(r rune) bool { return r < ' ' }) {
		return Link{}, fault.Invalidf("a label is one line of at most %d bytes", maxLabel)
	}
	number := make([]byte, numberSize)
	if _, err := rand.Read(number); err != nil {
		return Link{}, fault.Wrap(fault.Internal, "make a link", err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	link := Link{ID: alphabet.EncodeToString(number), Sandbox: id, Label: label, Created: now, Expires: now.Add(span)}
	b.mu.Lock()
	defer b.mu.Unlock()
	all, err := b.valid(ctx, id)
	if err != nil {
		return Link{}, err
	}
	if len(all) >= maxPerSandbox {
		return Link{}, fault.Exhaustedf("sandbox %s has %d links: revoke some", id, len(all))
	}
	if err := b.store.SaveLinks(ctx, id, append(all, link)); err != nil {
		return Link{}, err
	}
	b.of[link.ID] = id
	return link, nil
}

// List returns the links of a sandbox that hold, oldest first.
func (b *Book) List(ctx context.Context, id sandbox.ID) ([]Link, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.valid(ctx, id)
}

// valid are the links of a sandbox that have not expired.
func (b *Book) valid(ctx context.Context, id sandbox.ID) ([]Link, error) {
	all, err := b.store.Links(ctx, id)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	all = slices.DeleteFunc(all, func(l Link) bool { return !l.Expires.After(now) })
	for i := range all {
		all[i].Sandbox = id
	}
	return all, nil
}

// Revoke ends a link, and what it is used for. NotFound when the sandbox has no such link.
func (b *Book) Revoke(ctx context.Context, id sandbox.ID, link string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	all, err := b.valid(ctx, id)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(all, func(l Link) bool { return l.ID == link })
	if at < 0 {
		return fault.NotFoundf("sandbox %s has no link %q", id, link)
	}
	if err := b.store.SaveLinks(ctx, id, slices.Delete(all, at, at+1)); err != nil {
		return err
	}
	delete(b.of, link)
	if used := b.open[link]; used != nil {
		used.end(fault.New(fault.Forbidden, "the link was revoked"))
		delete(b.open, link)
	}
	return nil
}

// Token is how a link is written in an address.
func (b *Book) Token(l Link) string { return l.ID + alphabet.EncodeToString(b.sign(l)) }

// IsToken reports whether text looks like a token; whether it is one, only Open knows.
func IsToken(text string) bool {
	if len(text) != tokenLength {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '2' || r > '7') })
}

// tokenLength is the number and the signature as text.
var tokenLength = alphabet.EncodedLen(numberSize) + alphabet.EncodedLen(signatureSize)

func (b *Book) sign(l Link) []byte {
	mac := hmac.New(sha256.New, b.key)
	fmt.Fprintf(mac, "%s\x00%s\x00%d", l.ID, l.Sandbox, l.Expires.Unix())
	return mac.Sum(nil)[:signatureSize]
}

// errNoLink tells nobody whether there ever was one.
var errNoLink = fault.New(fault.NotFound, "this link has expired, or was revoked")

// Open returns the link that a token is, and a context that ends, with the reason, when the link does. NotFound
// for everything that is no link, or no longer.
func (b *Book) Open(ctx context.Context, token string) (Link, context.Context, error) {
	number := alphabet.EncodedLen(numberSize)
	if len(token) != tokenLength {
		return Link{}, nil, errNoLink
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.load(ctx); err != nil {
		return Link{}, nil, err
	}
	id, known := b.of[token[:number]]
	if !known {
		return Link{}, nil, errNoLink
	}
	all, err := b.valid(ctx, id)
	if err != nil {
		return Link{}, nil, err
	}
	at := slices.IndexFunc(all, func(l Link) bool { return l.ID == token[:number] })
	if at < 0 {
		delete(b.of, token[:number])
		return Link{}, nil, errNoLink
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(b.Token(all[at]))) != 1 {
		return Link{}, nil, errNoLink
	}
	return all[at], b.use(all[at]).ctx, nil
}

// use is the one context of a link, however many use it.
func (b *Book) use(l Link) *use {
	if used := b.open[l.ID]; used != nil {
		return used
	}
	ctx, end := context.WithCancelCause(context.Background())
	used := &use{ctx, end}
	b.open[l.ID] = used
	time.AfterFunc(time.Until(l.Expires), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		end(fault.New(fault.Forbidden, "the link has expired"))
		if b.open[l.ID] == used {
			delete(b.open, l.ID)
		}
	})
	return used
}

// load learns once which links there are from before.
func (b *Book) load(ctx context.Context) error {
	if b.loaded {
		return nil
	}
	ids, err := b.store.Sandboxes(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		all, err := b.valid(ctx, id)
		if err != nil {
			if !fault.Is(err, fault.Internal) {
				return err // the host did not answer: the next visit asks again
			}
			continue // a damaged file costs its own links
		}
		for _, l := range all {
			b.of[l.ID] = id
		}
	}
	b.loaded = true
	return nil
}
