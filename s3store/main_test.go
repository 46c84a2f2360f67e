package s3store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/s3store"
	"github.com/daytonaio/runner-android/s3store/s3storetest"
)

const MiB = s3store.MiB

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options are those of a store at the server, or at the endpoint given, with short pauses.
func options(s *s3storetest.Server, endpoint string) s3store.Options {
	return s3store.Options{
		Endpoint: endpoint, Bucket: s.Bucket, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey,
		PartSize: s3store.MinPart, RetryDelay: time.Millisecond,
	}
}

func open(t testing.TB, o s3store.Options) *s3store.Store {
	t.Helper()
	store, err := s3store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// behindProxy is a real server with a store that reaches it through a proxy.
func behindProxy(t testing.TB) (*s3storetest.Server, *s3storetest.Proxy, *s3store.Store) {
	t.Helper()
	server := s3storetest.Start(t)
	proxy := server.Proxy(t)
	return server, proxy, open(t, options(server, proxy.Endpoint))
}

// content is bytes with the plan that describes them.
type content struct {
	bytes []byte
	plan  []s3store.Piece
}

func (c *content) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(c.bytes).ReadAt(p, at)
}

func (c *content) digest() string { return fmt.Sprintf("%x", sha256.Sum256(c.bytes)) }

func (c *content) data(n int64) *content {
	chunk := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(len(c.plan)), 1})
	rng.Read(chunk)
	c.bytes = append(c.bytes, chunk...)
	c.plan = append(c.plan, s3store.Piece{Length: n})
	return c
}

func (c *content) zeros(n int64) *content {
	c.bytes = append(c.bytes, make([]byte, n)...)
	c.plan = append(c.plan, s3store.Piece{Length: n, Kind: s3store.Zero})
	return c
}

func (c *content) copied(from *content, key string, at, n int64) *content {
	c.bytes = append(c.bytes, from.bytes[at:at+n]...)
	c.plan = append(c.plan, s3store.Piece{Length: n, Kind: s3store.Copy, From: s3store.Origin{Key: key, Offset: at}})
	return c
}

// upload fails the test when it fails, or when the server has other bytes afterwards.
func upload(t testing.TB, server *s3storetest.Server, store *s3store.Store, key string, c *content) s3store.Counts {
	t.Helper()
	var progress s3store.Progress
	obj, err := store.Upload(t.Context(), key, c, c.plan, s3store.UploadOptions{Progress: &progress})
	if err != nil {
		t.Fatal(err)
	}
	counts := progress.Read()
	if size := int64(len(c.bytes)); obj.Size != size || counts.Total != size || counts.Done != size {
		t.Errorf("object of %d bytes, progress %+v; want %d", obj.Size, counts, size)
	}
	checkStored(t, server, store, key, c.bytes)
	return counts
}

// checkStored compares an object with bytes: in the server's own file where it has one.
func checkStored(t testing.TB, server *s3storetest.Server, store *s3store.Store, key string, want []byte) {
	t.Helper()
	var got []byte
	var err error
	if server.Dir != "" {
		got, err = os.ReadFile(filepath.Join(server.Dir, key))
	} else {
		got, err = store.Get(t.Context(), key, int64(len(want)))
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s has %d bytes that are not the %d that were sent", key, len(got), len(want))
	}
}

// unfinished returns the number of multipart uploads that the server holds, and removes them.
func unfinished(t testing.TB, store *s3store.Store) int {
	t.Helper()
	n, err := store.AbortStale(context.WithoutCancel(t.Context()), "", -time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func wantKind(t testing.TB, err error, want fault.Kind, words ...string) {
	t.Helper()
	if err == nil || !fault.Is(err, want) {
		t.Fatalf("error of kind %s: %v; want %s", fault.KindOf(err), err, want)
	}
	for _, word := range words {
		if !bytes.Contains([]byte(err.Error()), []byte(word)) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
}

// memory is a journal in memory.
type memory struct {
	mu      sync.Mutex
	entries map[string][]byte
	saves   int
	broken  error
}

func (m *memory) Load(key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.entries[key]), nil
}

func (m *memory) Save(key string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	if m.entries == nil {
		m.entries = map[string][]byte{}
	}
	m.entries[key] = slices.Clone(data)
	m.saves++
	return nil
}

func (m *memory) Forget(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.entries, key)
	return nil
}

// sink is a destination in memory.
type sink struct {
	mu      sync.Mutex
	bytes   []byte
	written int64
	full    error
}

func (s *sink) Truncate(n int64) error {
	s.bytes = make([]byte, n)
	return nil
}

func (s *sink) WriteAt(p []byte, at int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full != nil {
		return 0, s.full
	}
	s.written += int64(len(p))
	return copy(s.bytes[at:], p), nil
}

var _ io.WriterAt = (*sink)(nil)
