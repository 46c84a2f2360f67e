package s3

import (
	"crypto/md5" //nolint:gosec // S3's entity tags are MD5 sums
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// copied answers UploadPartCopy, which gofakes3 does not know, and hands on everything else.
func copied(store *Store, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		source := r.Header.Get("X-Amz-Copy-Source")
		if r.Method != http.MethodPut || source == "" || !r.URL.Query().Has("uploadId") {
			next.ServeHTTP(w, r)
			return
		}
		etag, err := store.copyPart(r, source)
		var answer any = copyPartResult{ETag: etag, LastModified: time.Now().UTC().Format(time.RFC3339)}
		status := http.StatusOK
		if err != nil {
			var code gofakes3.ErrorCode
			if status = http.StatusInternalServerError; errors.As(err, &code) {
				status = code.Status()
			}
			if errors.Is(err, errChanged) {
				status, code = http.StatusPreconditionFailed, "PreconditionFailed"
			}
			answer = errorResult{Code: string(code), Message: err.Error()}
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_ = xml.NewEncoder(w).Encode(answer) // a client that has left
	})
}

type copyPartResult struct {
	XMLName      xml.Name `xml:"CopyPartResult"`
	ETag         string   `xml:"ETag"`
	LastModified string   `xml:"LastModified"`
}

type errorResult struct {
	XMLName xml.Name `xml:"Error"`
	Code    string   `xml:"Code"`
	Message string   `xml:"Message"`
}

var errChanged = errors.New("the source is another object by now")

// copyPart makes a range of an object a part of an upload. Its entity tag is made of the source's, and not of the content.
func (s *Store) copyPart(r *http.Request, source string) (etag string, err error) {
	bucket, key, err := target(r.URL.Path)
	if err != nil {
		return "", err
	}
	u, err := s.upload(bucket, key, gofakes3.UploadID(r.URL.Query().Get("uploadId")))
	if err != nil {
		return "", err
	}
	number, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
	if err != nil || number < 1 || number > 10_000 {
		return "", gofakes3.ErrInvalidPart
	}
	if source, err = url.PathUnescape(source); err != nil {
		return "", gofakes3.ErrInvalidArgument
	}
	fromBucket, fromKey, err := target(source)
	if err != nil {
		return "", err
	}
	f, a, err := s.open(fromBucket, fromKey)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if want := r.Header.Get("X-Amz-Copy-Source-If-Match"); want != "" && strings.Trim(want, `"`) != fmt.Sprintf("%x", a.Hash) {
		return "", errChanged
	}
	first, last := int64(0), a.Size-1
	if text := r.Header.Get("X-Amz-Copy-Source-Range"); text != "" {
		if n, err := fmt.Sscanf(text, "bytes=%d-%d", &first, &last); err != nil || n != 2 || first < 0 || last < first || last >= a.Size {
			return "", gofakes3.ErrInvalidRange
		}
	}
	tmp, err := os.CreateTemp(s.own("tmp"), "")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // it mostly has another name by then
	w := &sparse{file: tmp}
	if err := w.close(w.add(f, first, last-first+1)); err != nil {
		return "", err
	}
	sum := md5.Sum(fmt.Appendf(nil, "%x %d %d", a.Hash, first, last)) //nolint:gosec // as above
	return gofakes3.FormatETag(sum[:]), s.addPart(u, number, sum[:], tmp.Name())
}

// target takes a path apart.
func target(path string) (bucket, key string, err error) {
	bucket, key, found := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !found || key == "" {
		return "", "", gofakes3.ErrInvalidArgument
	}
	return bucket, key, nil
}
