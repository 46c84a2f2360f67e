package s3

import (
	"crypto/md5" //nolint:gosec // S3's entity tags are MD5 sums
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// Store is one bucket in a directory. It is safe for concurrent use by one process.
type Store struct {
	dir    string // holds the bucket and the store's own files
	bucket string

	mu sync.Mutex // what files are called
}

var (
	_ gofakes3.Backend          = (*Store)(nil)
	_ gofakes3.MultipartBackend = (*Store)(nil)
)

// Open opens the store in dir, which it makes, with its one bucket. What an earlier process left half written is removed;
// uploads that were not completed stay.
func Open(dir, bucket string) (*Store, error) {
	if err := gofakes3.ValidateBucketName(bucket); err != nil {
		return nil, fmt.Errorf("open the object store: %w", err)
	}
	s := &Store{dir: dir, bucket: bucket}
	if err := os.RemoveAll(s.own("tmp")); err != nil {
		return nil, fmt.Errorf("open the object store: %w", err)
	}
	for _, d := range []string{filepath.Join(dir, bucket), s.own("tmp"), s.own("meta"), s.own("uploads")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("open the object store: %w", err)
		}
	}
	return s, nil
}

// own is a path of the store's own; no bucket has a name like that.
func (s *Store) own(parts ...string) string {
	return filepath.Join(append([]string{s.dir, ".store"}, parts...)...)
}

func (s *Store) path(key string) string     { return filepath.Join(s.dir, s.bucket, escape(key)) }
func (s *Store) metaPath(key string) string { return s.own("meta", escape(key)+metaSuffix) }

// about is what no file says of an object. It holds for the content of that size and time.
type about struct {
	Hash     []byte            `json:"md5"`
	Size     int64             `json:"size"`
	ModTime  time.Time         `json:"time"`
	Metadata map[string]string `json:"metadata"`
}

// about describes an open object. A file that was put there by hand is looked through each time.
func (s *Store) about(key string, f *os.File) (about, error) {
	info, err := f.Stat()
	if err != nil {
		return about{}, err
	}
	if !info.Mode().IsRegular() {
		return about{}, gofakes3.KeyNotFound(key)
	}
	var a about
	data, err := os.ReadFile(s.metaPath(key))
	if err == nil && json.Unmarshal(data, &a) == nil && a.Size == info.Size() && a.ModTime.Equal(info.ModTime()) {
		return a, nil
	}
	sum := md5.New() //nolint:gosec // as above
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, info.Size())); err != nil {
		return about{}, err
	}
	return about{Hash: sum.Sum(nil), Size: info.Size(), ModTime: info.ModTime(), Metadata: map[string]string{
		"Last-Modified": info.ModTime().UTC().Format(http.TimeFormat),
	}}, nil
}

func (s *Store) describe(key string, a about) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	path := s.metaPath(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// open opens an object.
func (s *Store) open(bucket, key string) (*os.File, about, error) {
	if bucket != s.bucket {
		return nil, about{}, gofakes3.BucketNotFound(bucket)
	}
	f, err := os.Open(s.path(key))
	if errors.Is(err, fs.ErrNotExist) || isNotDir(err) {
		return nil, about{}, gofakes3.KeyNotFound(key)
	}
	if err != nil {
		return nil, about{}, err
	}
	a, err := s.about(key, f)
	if err != nil {
		f.Close()
		return nil, about{}, err // as it is: gofakes3 knows its errors by their types alone
	}
	return f, a, nil
}

// ListBuckets implements gofakes3.Backend.
func (s *Store) ListBuckets() ([]gofakes3.BucketInfo, error) {
	info, err := os.Stat(filepath.Join(s.dir, s.bucket))
	if err != nil {
		return nil, err
	}
	return []gofakes3.BucketInfo{{Name: s.bucket, CreationDate: gofakes3.NewContentTime(info.ModTime())}}, nil
}

// CreateBucket implements gofakes3.Backend. There is one bucket, and it exists.
func (s *Store) CreateBucket(name string) error {
	if name == s.bucket {
		return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
	}
	return gofakes3.ErrNotImplemented
}

// BucketExists implements gofakes3.Backend.
func (s *Store) BucketExists(name string) (bool, error) { return name == s.bucket, nil }

// DeleteBucket implements gofakes3.Backend.
func (s *Store) DeleteBucket(string) error { return gofakes3.ErrNotImplemented }

// ForceDeleteBucket implements gofakes3.Backend.
func (s *Store) ForceDeleteBucket(string) error { return gofakes3.ErrNotImplemented }

// ListBucket implements gofakes3.Backend.
func (s *Store) ListBucket(bucket string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	if bucket != s.bucket {
		return nil, gofakes3.BucketNotFound(bucket)
	}
	if prefix == nil {
		prefix = &gofakes3.Prefix{}
	}
	keys, err := s.keys()
	if err != nil {
		return nil, err
	}
	list := gofakes3.NewObjectList()
	var match gofakes3.PrefixMatch
	count, last := int64(0), ""
	for _, key := range keys {
		if key <= page.Marker || !prefix.Match(key, &match) {
			continue
		}
		if match.CommonPrefix && (match.MatchedPart == last || match.MatchedPart <= page.Marker) {
			continue
		}
		if page.MaxKeys > 0 && count == page.MaxKeys {
			list.IsTruncated = true
			break
		}
		count++
		if match.CommonPrefix {
			last = match.MatchedPart
			list.AddPrefix(last)
			list.NextMarker = last
			continue
		}
		list.NextMarker = key
		content, err := s.content(key)
		switch {
		case err == nil:
			list.Add(content)
		case !gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey): // one that was removed meanwhile is none
			return nil, err
		}
	}
	if !list.IsTruncated {
		list.NextMarker = ""
	}
	return list, nil
}

func (s *Store) content(key string) (*gofakes3.Content, error) {
	f, a, err := s.open(s.bucket, key)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return &gofakes3.Content{
		Key: key, LastModified: gofakes3.NewContentTime(a.ModTime), ETag: gofakes3.FormatETag(a.Hash), Size: a.Size,
	}, nil
}

// keys are all keys, sorted.
func (s *Store) keys() ([]string, error) {
	top := filepath.Join(s.dir, s.bucket)
	var keys []string
	err := filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		if key, ok := unescape(rel); ok {
			keys = append(keys, key)
		}
		return nil
	})
	slices.Sort(keys)
	return keys, err
}

// GetObject implements gofakes3.Backend.
func (s *Store) GetObject(bucket, key string, rangeRequest *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	f, a, err := s.open(bucket, key)
	if err != nil {
		return nil, err
	}
	part, err := rangeRequest.Range(a.Size)
	if err != nil {
		f.Close()
		return nil, err
	}
	contents := section{io.NewSectionReader(f, 0, a.Size), f}
	if part != nil {
		contents.Reader = io.NewSectionReader(f, part.Start, part.Length)
	}
	return &gofakes3.Object{Name: key, Hash: a.Hash, Metadata: a.Metadata, Size: a.Size, Range: part, Contents: contents}, nil
}

// section is a part of a file.
type section struct {
	io.Reader
	io.Closer
}

// HeadObject implements gofakes3.Backend.
func (s *Store) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	f, a, err := s.open(bucket, key)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return &gofakes3.Object{Name: key, Hash: a.Hash, Metadata: a.Metadata, Size: a.Size, Contents: http.NoBody}, nil
}

// PutObject implements gofakes3.Backend. The object is there as a whole or not at all.
func (s *Store) PutObject(
	bucket, key string, meta map[string]string, input io.Reader, size int64, conditions *gofakes3.PutConditions,
) (gofakes3.PutObjectResult, error) {
	if bucket != s.bucket {
		return gofakes3.PutObjectResult{}, gofakes3.BucketNotFound(bucket)
	}
	_, err := s.put(key, meta, input, size, conditions)
	return gofakes3.PutObjectResult{}, err
}

// put stores what input has, which must be of that size unless that is negative.
func (s *Store) put(key string, meta map[string]string, input io.Reader, size int64, conditions *gofakes3.PutConditions) (about, error) {
	tmp, err := os.CreateTemp(s.own("tmp"), "")
	if err != nil {
		return about{}, err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // it mostly has another name by then
	sum, w := md5.New(), &sparse{file: tmp}      //nolint:gosec // as above
	n, err := io.Copy(io.MultiWriter(w, sum), input)
	if err := w.close(err); err != nil {
		return about{}, err
	}
	info, err := os.Stat(tmp.Name())
	if err != nil {
		return about{}, err
	}
	if size >= 0 && n != size {
		return about{}, gofakes3.ErrIncompleteBody
	}
	a := about{Hash: sum.Sum(nil), Size: n, ModTime: info.ModTime(), Metadata: maps.Clone(meta)}
	return a, s.publish(key, tmp.Name(), a, conditions)
}

// publish gives the content of an object its name.
func (s *Store) publish(key, file string, a about, conditions *gofakes3.PutConditions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if conditions != nil {
		if err := s.checkConditions(key, conditions); err != nil {
			return err
		}
	}
	path := s.path(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Rename(file, path); err != nil {
		return err
	}
	return s.describe(key, a)
}

func (s *Store) checkConditions(key string, conditions *gofakes3.PutConditions) error {
	f, a, err := s.open(s.bucket, key)
	if err != nil {
		if gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
			return gofakes3.CheckPutConditions(conditions, &gofakes3.ConditionalObjectInfo{})
		}
		return err
	}
	defer f.Close()
	return gofakes3.CheckPutConditions(conditions, &gofakes3.ConditionalObjectInfo{Exists: true, Hash: a.Hash})
}

// CopyObject implements gofakes3.Backend. Both objects are one file until either is written.
func (s *Store) CopyObject(srcBucket, srcKey, dstBucket, dstKey string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	var result gofakes3.CopyObjectResult
	if dstBucket != s.bucket {
		return result, gofakes3.BucketNotFound(dstBucket)
	}
	src, a, err := s.open(srcBucket, srcKey)
	if err != nil {
		return result, err
	}
	defer src.Close()
	result = gofakes3.CopyObjectResult{ETag: gofakes3.FormatETag(a.Hash), LastModified: gofakes3.NewContentTime(a.ModTime)}
	a.Metadata = maps.Clone(meta)
	if srcKey == dstKey {
		s.mu.Lock()
		defer s.mu.Unlock()
		return result, s.describe(dstKey, a)
	}
	tmp, err := os.MkdirTemp(s.own("tmp"), "")
	if err != nil {
		return result, err
	}
	defer func() { _ = os.RemoveAll(tmp) }() // else the next Open does
	link := filepath.Join(tmp, "copy")
	if err := os.Link(s.path(srcKey), link); err != nil {
		return result, err
	}
	// Renaming one link of a file over another does nothing.
	if err := os.Remove(s.path(dstKey)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return result, err
	}
	return result, s.publish(dstKey, link, a, nil)
}

// DeleteObject implements gofakes3.Backend. What is not there is deleted.
func (s *Store) DeleteObject(bucket, key string) (gofakes3.ObjectDeleteResult, error) {
	if bucket != s.bucket {
		return gofakes3.ObjectDeleteResult{}, gofakes3.BucketNotFound(bucket)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return gofakes3.ObjectDeleteResult{}, errors.Join(
		removeUpTo(s.path(key), filepath.Join(s.dir, s.bucket)), removeUpTo(s.metaPath(key), s.own("meta")))
}

// removeUpTo removes a file, and the directories above it that are empty then, but for top.
func removeUpTo(path, top string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || isNotDir(err) || err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		return err
	}
	for dir := filepath.Dir(path); dir != top && os.Remove(dir) == nil; dir = filepath.Dir(dir) {
	}
	return nil
}

// DeleteMulti implements gofakes3.Backend.
func (s *Store) DeleteMulti(bucket string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	var result gofakes3.MultiDeleteResult
	for _, key := range keys {
		if _, err := s.DeleteObject(bucket, key); err != nil {
			result.Error = append(result.Error, gofakes3.ErrorResultFromError(err))
			continue
		}
		result.Deleted = append(result.Deleted, gofakes3.ObjectID{Key: key})
	}
	return result, nil
}
