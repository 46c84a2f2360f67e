package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/internal/snapshot"
	"github.com/daytonaio/runner-android/s3store"
)

// The disks that are sent: so much of the large one is data, the rest holes, in runs of that length.
const (
	sparseSize = int64(8) << 30
	sparseData = int64(1) << 30
	dataRun    = int64(64) << 20
	denseTurns = 3
)

// snapshotDesk is what the row works with: a bucket, a host's files and a way to make stores.
type snapshotDesk struct {
	l      *lab
	ctx    context.Context
	files  *host.Local
	server *objects
	bucket *s3store.Store
	moved  atomic.Int64 // by the transfer at hand
}

// measureSnapshot sends snapshots to a real S3 server and fetches them, beside sending every byte, rclone and cp.
func measureSnapshot(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	server, err := l.startObjects(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, server.stop(10*time.Second)) }()
	bucket, err := server.open()
	if err != nil {
		return nil, nil, err
	}
	defer bucket.Close()
	files, err := host.NewLocal(host.LocalOptions{User: host.DeviceUser{Name: "bench", UID: os.Geteuid(), GID: os.Getegid(), Home: "/"}})
	if err != nil {
		return nil, nil, err
	}
	d := &snapshotDesk{l: l, ctx: ctx, files: files, server: server, bucket: bucket}
	size, data := sparseSize/int64(l.divisor), sparseData/int64(l.divisor)
	notes = []string{fmt.Sprintf("a card of %d MiB that holds %d MiB in runs of %d MiB, half of it noise and half of it text; versitygw on this machine",
		size>>20, data>>20, dataRun>>20)}
	for _, part := range []func(size, data int64) ([]figure, error){d.sparse, d.dense, d.second, d.restore} {
		more, err := part(size, data)
		figures = append(figures, more...)
		if err != nil {
			return figures, notes, err
		}
	}
	return figures, notes, nil
}

// store is a host's snapshots, in a directory of their own.
func (d *snapshotDesk) store(name string, compress bool) *snapshot.Store {
	return snapshot.New(snapshot.Options{Host: d.files, Artifacts: d.l.path(name), Bucket: d.bucket, Compress: compress})
}

// instance makes the directory of a device that is off: a small disk, and a card with runs of data.
func (d *snapshotDesk) instance(name string, size, data int64, seed byte) (dir string, err error) {
	dir = d.l.path("instance-" + name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if out, err := exec.CommandContext(d.ctx, "qemu-img", "create", "-q", "-f", "qcow2", filepath.Join(dir, "overlay.img"), "1G").CombinedOutput(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return "", absentError{"there is no qemu-img (Debian: qemu-utils)"}
		}
		return "", fmt.Errorf("qemu-img: %w: %s", err, out)
	}
	f, err := os.Create(filepath.Join(dir, "sdcard.img"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	runs := data / dataRun
	for i := range runs {
		rng := rand.NewChaCha8([32]byte{byte(i)})
		if i == runs-1 {
			rng = rand.NewChaCha8([32]byte{byte(i), seed})
		}
		if _, err := io.Copy(io.NewOffsetWriter(f, i*(size/runs)), halfNoise(rng, dataRun)); err != nil {
			return "", err
		}
	}
	return dir, f.Truncate(size)
}

// halfNoise is n bytes of which every second page cannot be compressed.
func halfNoise(rng io.Reader, n int64) io.Reader {
	text := []byte(strings.Repeat("a line of a log that Android has written\n", 100)[:4096])
	var pages []io.Reader
	for range n / 8192 {
		pages = append(pages, io.LimitReader(rng, 4096), bytes.NewReader(text))
	}
	return io.MultiReader(pages...)
}

// taken saves an instance under a name.
func (d *snapshotDesk) taken(s *snapshot.Store, name, instance string) error {
	_, err := s.Take(d.ctx, name, snapshot.Source{
		Sandbox: "bench", BaseImage: "none", InstanceDir: instance,
		Quiet: func(context.Context) (snapshot.Quiet, error) {
			return snapshot.Quiet{How: snapshot.Stopped, Resume: func(context.Context) error { return nil }}, nil
		},
	}, d.hear)
	return err
}

func (d *snapshotDesk) hear(p sandbox.Progress) { d.moved.Store(p.Moved) }

// push sends a snapshot, and returns how long that took, and how many bytes went over the network.
func (d *snapshotDesk) push(s *snapshot.Store, name string) (took time.Duration, moved int64, err error) {
	d.moved.Store(0)
	began := time.Now()
	err = s.Push(d.ctx, name, d.hear)
	return time.Since(began), d.moved.Load(), err
}

// sparse sends a card that is mostly holes: plain, compressed, and every byte of it.
func (d *snapshotDesk) sparse(size, data int64) (figures []figure, err error) {
	instance, err := d.instance("sparse", size, data, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(instance)) }()
	plain, small := d.store("plain", false), d.store("small", true)
	if err := errors.Join(d.taken(plain, "bench/plain", instance), d.taken(small, "bench/small", instance)); err != nil {
		return nil, err
	}
	plainTook, moved, err := d.push(plain, "bench/plain")
	if err != nil {
		return nil, err
	}
	smallTook, _, err := d.push(small, "bench/small")
	if err != nil {
		return nil, err
	}
	every, peak, err := d.everyByte(filepath.Join(instance, "sdcard.img"), size)
	if err != nil {
		return nil, err
	}
	zeros := float64(moved-data) / float64(size-data)
	for _, name := range []string{"bench/plain", "bench/small"} {
		err = errors.Join(err, plain.RemoveRemote(d.ctx, name))
	}
	return []figure{
		against("every byte of a sparse disk sent, beside the disk with zstd: times as long", seconds, every.Seconds(), smallTook.Seconds(), atLeast(5, 8)),
		against("the same, beside the disk plain", seconds, every.Seconds(), plainTook.Seconds(), budget{}),
		absolute("of the zeros sent, plain", times, max(0, zeros), atMost(0.01, 0.002)),
		absolute("memory that sending every byte takes", bytesOf, peak, atMost(64<<20, 32<<20)),
	}, err
}

// everyByte sends a file whole, and measures by how much memory grows for it.
func (d *snapshotDesk) everyByte(file string, size int64) (took time.Duration, grown float64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	debug.FreeOSMemory()
	before, err := residentOf(os.Getpid())
	if err != nil {
		return 0, 0, err
	}
	var most atomic.Int64
	watch, stop := context.WithCancel(d.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			if now, err := residentOf(os.Getpid()); err == nil && now > most.Load() {
				most.Store(now)
			}
			select {
			case <-tick.C:
			case <-watch.Done():
				return
			}
		}
	}()
	began := time.Now()
	_, err = d.bucket.Upload(d.ctx, "every-byte", f, []s3store.Piece{{Length: size}}, s3store.UploadOptions{})
	took = time.Since(began)
	stop()
	<-ended
	return took, float64(max(0, most.Load()-before)), errors.Join(err, d.bucket.Delete(d.ctx, "every-byte"))
}

// dense sends and fetches a disk without holes, in turns with rclone.
func (d *snapshotDesk) dense(_, data int64) (figures []figure, err error) {
	instance, err := d.instance("dense", data, data, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(instance)) }()
	s, file := d.store("dense", false), filepath.Join(instance, "sdcard.img")
	if err := d.taken(s, "bench/dense", instance); err != nil {
		return nil, err
	}
	var turns pairs
	err = takeTurns(denseTurns, func() error {
		took, _, err := d.push(s, "bench/dense")
		turns.ours = append(turns.ours, float64(data)/took.Seconds())
		return errors.Join(err, s.RemoveRemote(d.ctx, "bench/dense"))
	}, func() error {
		began := time.Now()
		err := d.server.rclone(d.ctx, file, d.server.remote("by-rclone"))
		turns.baseline = append(turns.baseline, float64(data)/time.Since(began).Seconds())
		return errors.Join(err, d.bucket.Delete(d.ctx, "by-rclone"))
	})
	if err != nil {
		return nil, err
	}
	return []figure{compared("a dense disk sent, beside rclone, bytes", perSecond, turns, atLeast(0.9, 1.1))}, nil
}

// second sends a snapshot of a device of which little has changed since the first.
func (d *snapshotDesk) second(_, data int64) ([]figure, error) {
	s := d.store("second", false)
	var moved [2]int64
	for i, name := range []string{"bench/one", "bench/two"} {
		instance, err := d.instance(fmt.Sprintf("second-%d", i), data, data, byte(i))
		if err != nil {
			return nil, err
		}
		if err := d.taken(s, name, instance); err != nil {
			return nil, err
		}
		if _, moved[i], err = d.push(s, name); err != nil {
			return nil, err
		}
		if err := os.RemoveAll(instance); err != nil {
			return nil, err
		}
	}
	changed := float64(dataRun) / float64(data)
	return []figure{
		against(fmt.Sprintf("bytes of a second snapshot, %.0f %% changed, beside the first", 100*changed), bytesOf,
			float64(moved[1]), float64(moved[0]), atMost(0.15, 0.07)),
	}, errors.Join(s.RemoveRemote(d.ctx, "bench/one"), s.RemoveRemote(d.ctx, "bench/two"))
}

// restore fetches a snapshot and puts it into a device, in turns with rclone and cp.
func (d *snapshotDesk) restore(_, data int64) (figures []figure, err error) {
	instance, err := d.instance("restore", data, data, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(instance)) }()
	const name = "bench/restore"
	origin := d.store("origin", false)
	if err := d.taken(origin, name, instance); err != nil {
		return nil, err
	}
	if _, _, err := d.push(origin, name); err != nil {
		return nil, err
	}
	var turns pairs
	fetched, copied := d.l.path("fetched"), d.l.path("copied")
	err = takeTurns(denseTurns, func() error {
		s := d.store("target", false) // that has read nothing yet
		began := time.Now()
		if err := s.Pull(d.ctx, name, d.hear); err != nil {
			return err
		}
		dir, err := s.Dir(name)
		if err != nil {
			return err
		}
		m, _, err := s.Read(d.ctx, dir)
		if err != nil {
			return err
		}
		err = s.Graft(d.ctx, dir, m, instance)
		turns.ours = append(turns.ours, time.Since(began).Seconds())
		_, removed := s.Remove(d.ctx, name)
		return errors.Join(err, removed)
	}, func() error {
		began := time.Now()
		if err := d.server.rclone(d.ctx, d.server.remote("snapshots/"+name+"/instance_data/sdcard.img"), fetched); err != nil {
			return err
		}
		out, err := exec.CommandContext(d.ctx, "cp", fetched, copied).CombinedOutput()
		turns.baseline = append(turns.baseline, time.Since(began).Seconds())
		if err != nil {
			return fmt.Errorf("cp: %w: %s", err, out)
		}
		return errors.Join(os.Remove(fetched), os.Remove(copied))
	})
	if err != nil {
		return nil, err
	}
	return []figure{compared("a snapshot fetched, verified and put into a device, beside rclone and cp", seconds, turns, atMost(1.2, 1))}, nil
}
