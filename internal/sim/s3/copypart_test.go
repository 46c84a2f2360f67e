package s3_test

import (
	"bytes"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/s3"
	"github.com/daytonaio/runner-android/s3store"
)

// Ensure a client that copies ranges and zeros within the server gets the right object, that an origin which has changed is
// not copied from, and that zeros take no room.
func TestPartsAreCopied(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := s3.Open(dir, "snapshots")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s3.Handler(store))
	t.Cleanup(server.Close)
	client, err := s3store.Open(s3store.Options{Endpoint: server.URL, Bucket: "snapshots", AccessKey: "a", SecretKey: "b"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	const MiB = s3store.MiB
	content := make([]byte, 160*MiB)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(content[:20*MiB])
	rng.Read(content[150*MiB:])
	one, err := client.Upload(t.Context(), "one", bytes.NewReader(content),
		[]s3store.Piece{{Length: 20 * MiB}, {Length: 130 * MiB, Kind: s3store.Zero}, {Length: 10 * MiB}}, s3store.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	content[21*MiB] = 1
	for _, etag := range []string{one.ETag, "another"} {
		var progress s3store.Progress
		_, err = client.Upload(t.Context(), "two", bytes.NewReader(content), []s3store.Piece{
			{Length: 20 * MiB, Kind: s3store.Copy, From: s3store.Origin{Key: "one", ETag: etag}}, {Length: 10 * MiB},
			{Length: 120 * MiB, Kind: s3store.Zero}, {Length: 10 * MiB, Kind: s3store.Copy, From: s3store.Origin{Key: "one", ETag: etag, Offset: 150 * MiB}},
		}, s3store.UploadOptions{Progress: &progress})
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "snapshots", "two"))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("two: %d bytes, the same: %v, %v", len(got), bytes.Equal(got, content), err)
		}
		if sent := progress.Read().Sent; etag == one.ETag && sent > 16*MiB || etag != one.ETag && sent < 40*MiB {
			t.Errorf("with %s: %d bytes were sent", etag, sent)
		}
	}
	var stat syscall.Stat_t
	if err := syscall.Stat(filepath.Join(dir, "snapshots", "two"), &stat); err != nil || stat.Blocks*512 > 40*MiB {
		t.Errorf("it takes %d bytes, %v", stat.Blocks*512, err)
	}
}
