package s3

import (
	"crypto/md5" //nolint:gosec // S3's entity tags are MD5 sums
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/johannesboyne/gofakes3"
)

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// upload is a multipart upload under way, as its directory has it. Its parts are files NNNNN-ETAG beside.
type upload struct {
	Key      string            `json:"key"`
	Begun    time.Time         `json:"begun"`
	Metadata map[string]string `json:"metadata"`

	id gofakes3.UploadID
}

const uploadFile = "upload.json"

// CreateMultipartUpload implements gofakes3.MultipartBackend.
func (s *Store) CreateMultipartUpload(bucket, key string, meta map[string]string) (gofakes3.UploadID, error) {
	if bucket != s.bucket {
		return "", gofakes3.BucketNotFound(bucket)
	}
	id := uuid.NewString()
	data, err := json.Marshal(upload{Key: key, Begun: time.Now(), Metadata: meta})
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(s.own("uploads", id), 0o755); err != nil {
		return "", err
	}
	return gofakes3.UploadID(id), os.WriteFile(s.own("uploads", id, uploadFile), data, 0o644)
}

// upload finds one that is under way.
func (s *Store) upload(bucket, key string, id gofakes3.UploadID) (upload, error) {
	u, err := s.readUpload(string(id))
	if err != nil || bucket != s.bucket || u.Key != key {
		return upload{}, gofakes3.ErrNoSuchUpload
	}
	return u, nil
}

func (s *Store) readUpload(id string) (upload, error) {
	if uuid.Validate(id) != nil {
		return upload{}, gofakes3.ErrNoSuchUpload // and no path that leads elsewhere
	}
	u := upload{id: gofakes3.UploadID(id)}
	data, err := os.ReadFile(s.own("uploads", id, uploadFile))
	if err != nil {
		return upload{}, err
	}
	err = json.Unmarshal(data, &u)
	return u, err
}

// part is a part that was uploaded.
type part struct {
	number  int
	etag    string // without quotes
	size    int64
	path    string
	modTime time.Time
}

// parts are those of an upload by number.
func (s *Store) parts(u upload) ([]part, error) {
	entries, err := os.ReadDir(s.own("uploads", string(u.id)))
	if err != nil {
		return nil, err
	}
	var list []part
	name := regexp.MustCompile(`^([0-9]{5})-([0-9a-f]{32})$`)
	for _, e := range entries {
		m := name.FindStringSubmatch(e.Name())
		info, err := e.Info()
		if m == nil || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		n, _ := strconv.Atoi(m[1]) // five digits
		list = append(list, part{n, m[2], info.Size(), s.own("uploads", string(u.id), e.Name()), info.ModTime()})
	}
	slices.SortFunc(list, func(a, b part) int { return a.number - b.number })
	return list, nil
}

// UploadPart implements gofakes3.MultipartBackend.
func (s *Store) UploadPart(bucket, key string, id gofakes3.UploadID, number int, size int64, input io.Reader) (string, error) {
	u, err := s.upload(bucket, key, id)
	if err != nil {
		return "", err
	}
	tmp, err := os.CreateTemp(s.own("tmp"), "")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // it mostly has another name by then
	sum, w := md5.New(), &sparse{file: tmp}      //nolint:gosec // as above
	n, err := io.Copy(io.MultiWriter(w, sum), input)
	if err := w.close(err); err != nil {
		return "", err
	}
	if size >= 0 && n != size {
		return "", gofakes3.ErrIncompleteBody
	}
	hash := sum.Sum(nil)
	return gofakes3.FormatETag(hash), s.addPart(u, number, hash, tmp.Name())
}

// addPart makes a file a part of an upload, in place of an earlier one of that number.
func (s *Store) addPart(u upload, number int, hash []byte, file string) error {
	path := s.own("uploads", string(u.id), fmt.Sprintf("%05d-%x", number, hash))
	s.mu.Lock()
	defer s.mu.Unlock()
	older, err := filepath.Glob(s.own("uploads", string(u.id), fmt.Sprintf("%05d-*", number)))
	if err != nil {
		return err
	}
	if err := os.Rename(file, path); err != nil {
		return gofakes3.ErrNoSuchUpload // it was aborted meanwhile
	}
	for _, old := range older {
		if old != path {
			_ = os.Remove(old) // one that stays costs space until the upload ends
		}
	}
	return nil
}

// CompleteMultipartUpload implements gofakes3.MultipartBackend. The entity tag is the MD5 of the parts' tags, as S3's, and
// lacks their number behind it.
func (s *Store) CompleteMultipartUpload(
	bucket, key string, id gofakes3.UploadID, request *gofakes3.CompleteMultipartUploadRequest,
) (gofakes3.VersionID, string, error) {
	u, err := s.upload(bucket, key, id)
	if err != nil {
		return "", "", err
	}
	parts, err := s.parts(u)
	if err != nil {
		return "", "", err
	}
	chosen, err := choose(parts, request.Parts)
	if err != nil {
		return "", "", err
	}
	a, err := s.join(key, u.Metadata, chosen)
	if err != nil {
		return "", "", err
	}
	return "", gofakes3.FormatETag(a.Hash), os.RemoveAll(s.own("uploads", string(id)))
}

// join makes an object of parts.
func (s *Store) join(key string, meta map[string]string, parts []part) (about, error) {
	tmp, err := os.CreateTemp(s.own("tmp"), "")
	if err != nil {
		return about{}, err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // it mostly has another name by then
	w, sum := &sparse{file: tmp}, md5.New()      //nolint:gosec // as above
	for _, p := range parts {
		if err := w.addFile(p.path); err != nil {
			return about{}, w.close(err)
		}
		fmt.Fprint(sum, p.etag)
	}
	if err := w.close(nil); err != nil {
		return about{}, err
	}
	info, err := os.Stat(tmp.Name())
	if err != nil {
		return about{}, err
	}
	a := about{Hash: sum.Sum(nil), Size: info.Size(), ModTime: info.ModTime(), Metadata: meta}
	return a, s.publish(key, tmp.Name(), a, nil)
}

// choose finds the parts that a request names, which must be in order.
func choose(have []part, want []gofakes3.CompletedPart) ([]part, error) {
	if len(want) == 0 {
		return nil, gofakes3.ErrInvalidPart
	}
	var chosen []part
	last := 0
	for _, w := range want {
		if w.PartNumber <= last {
			return nil, gofakes3.ErrInvalidPartOrder
		}
		last = w.PartNumber
		i := slices.IndexFunc(have, func(p part) bool { return p.number == w.PartNumber && p.etag == strings.Trim(w.ETag, `"`) })
		if i < 0 {
			return nil, gofakes3.ErrInvalidPart
		}
		chosen = append(chosen, have[i])
	}
	return chosen, nil
}

// AbortMultipartUpload implements gofakes3.MultipartBackend.
func (s *Store) AbortMultipartUpload(bucket, key string, id gofakes3.UploadID) error {
	if _, err := s.upload(bucket, key, id); err != nil {
		return err
	}
	return os.RemoveAll(s.own("uploads", string(id)))
}

// ListParts implements gofakes3.MultipartBackend.
func (s *Store) ListParts(bucket, key string, id gofakes3.UploadID, marker int, limit int64) (*gofakes3.ListMultipartUploadPartsResult, error) {
	u, err := s.upload(bucket, key, id)
	if err != nil {
		return nil, err
	}
	parts, err := s.parts(u)
	if err != nil {
		return nil, err
	}
	result := &gofakes3.ListMultipartUploadPartsResult{Bucket: bucket, Key: key, UploadID: id, MaxParts: limit, PartNumberMarker: marker}
	for _, p := range parts {
		if p.number <= marker {
			continue
		}
		if int64(len(result.Parts)) == limit {
			result.IsTruncated = true
			break
		}
		result.NextPartNumberMarker = p.number
		result.Parts = append(result.Parts, gofakes3.ListMultipartUploadPartItem{
			PartNumber: p.number, ETag: `"` + p.etag + `"`, Size: p.size, LastModified: gofakes3.NewContentTime(p.modTime),
		})
	}
	return result, nil
}

// ListMultipartUploads implements gofakes3.MultipartBackend.
func (s *Store) ListMultipartUploads(
	bucket string, marker *gofakes3.UploadListMarker, prefix gofakes3.Prefix, limit int64,
) (*gofakes3.ListMultipartUploadsResult, error) {
	uploads, err := s.uploads()
	if err != nil {
		return nil, err
	}
	result := &gofakes3.ListMultipartUploadsResult{Bucket: bucket, MaxUploads: limit, Delimiter: prefix.Delimiter, Prefix: prefix.Prefix}
	if marker != nil {
		result.KeyMarker, result.UploadIDMarker = marker.Object, marker.UploadID
	}
	var match gofakes3.PrefixMatch
	last := ""
	for _, u := range uploads {
		if !behind(u, marker) || !prefix.Match(u.Key, &match) || match.CommonPrefix && match.MatchedPart == last {
			continue
		}
		if int64(len(result.Uploads)+len(result.CommonPrefixes)) == limit {
			result.IsTruncated = true
			break
		}
		result.NextKeyMarker, result.NextUploadIDMarker = u.Key, u.id
		if match.CommonPrefix {
			last = match.MatchedPart
			result.CommonPrefixes = append(result.CommonPrefixes, match.AsCommonPrefix())
			continue
		}
		result.Uploads = append(result.Uploads, gofakes3.ListMultipartUploadItem{
			Key: u.Key, UploadID: u.id, Initiated: gofakes3.NewContentTime(u.Begun),
		})
	}
	return result, nil
}

// behind reports whether an upload comes after the marker.
func behind(u upload, marker *gofakes3.UploadListMarker) bool {
	switch {
	case marker == nil || u.Key > marker.Object:
		return true
	case u.Key < marker.Object || marker.UploadID == "":
		return false
	}
	return u.id > marker.UploadID
}

// uploads are those under way, by key and id.
func (s *Store) uploads() ([]upload, error) {
	entries, err := os.ReadDir(s.own("uploads"))
	if err != nil {
		return nil, err
	}
	var list []upload
	for _, e := range entries {
		if u, err := s.readUpload(filepath.Base(e.Name())); err == nil { // else it has ended, or not quite begun
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(a, b upload) int {
		if n := strings.Compare(a.Key, b.Key); n != 0 {
			return n
		}
		return strings.Compare(string(a.id), string(b.id))
	})
	return list, nil
}
