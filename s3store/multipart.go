package s3store

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// multipart is one multipart upload at the server.
type multipart struct {
	store   *Store
	key     string
	ID      string
	Attempt string // in the object's metadata once it is complete
	Summed  bool   // the server sums up the whole
}

// donePart is a part that the server has.
type donePart struct {
	Number int32
	Size   int64
	ETag   string
	CRC    string `json:",omitempty"` // CRC32 in base64, where the server says it
}

// begin starts a multipart upload, of which the server sums up the whole if summed. A server that does not do that is
// used without.
func (s *Store) begin(ctx context.Context, key string, meta map[string]string, summed bool) (*multipart, error) {
	m := &multipart{store: s, key: key, Attempt: rand.Text(), Summed: summed && !s.opts.PlainRequests && !s.cannotSum.Load()}
	for {
		in := &s3.CreateMultipartUploadInput{Bucket: s.bucket(), Key: aws.String(key), Metadata: withAttempt(meta, m.Attempt)}
		if m.Summed {
			in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject
		}
		out, err := s.client.CreateMultipartUpload(ctx, in)
		if err == nil {
			m.ID = aws.ToString(out.UploadId)
			m.Summed = m.Summed && out.ChecksumType == types.ChecksumTypeFullObject
			return m, nil
		}
		if m.Summed && (status(err) == http.StatusBadRequest || lacks(err)) {
			m.Summed = false
			s.cannotSum.Store(true)
			continue
		}
		return nil, err
	}
}

// send sends one part. The body is read again for each attempt.
func (m *multipart) send(ctx context.Context, number int32, body io.ReadSeeker, size int64) (donePart, error) {
	in := &s3.UploadPartInput{
		Bucket: m.store.bucket(), Key: aws.String(m.key), UploadId: aws.String(m.ID),
		PartNumber: aws.Int32(number), Body: body, ContentLength: aws.Int64(size),
	}
	if !m.store.opts.PlainRequests {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
	}
	out, err := m.store.client.UploadPart(ctx, in)
	if err != nil {
		return donePart{}, err
	}
	return donePart{Number: number, Size: size, ETag: aws.ToString(out.ETag), CRC: aws.ToString(out.ChecksumCRC32)}, nil
}

// copy has the server fill one part from another object.
func (m *multipart) copy(ctx context.Context, number int32, from Origin, size int64) (donePart, error) {
	in := &s3.UploadPartCopyInput{
		Bucket: m.store.bucket(), Key: aws.String(m.key), UploadId: aws.String(m.ID), PartNumber: aws.Int32(number),
		CopySource:      aws.String(m.store.copySource(from.Key)),
		CopySourceRange: aws.String(byteRange(from.Offset, size)),
	}
	if from.ETag != "" {
		in.CopySourceIfMatch = aws.String(from.ETag)
	}
	out, err := m.store.client.UploadPartCopy(patiently(ctx), in)
	if err != nil {
		return donePart{}, err
	}
	done := donePart{Number: number, Size: size}
	if r := out.CopyPartResult; r != nil {
		done.ETag, done.CRC = aws.ToString(r.ETag), aws.ToString(r.ChecksumCRC32)
	}
	return done, nil
}

// complete has the server put the parts together. The parts are in order.
func (m *multipart) complete(ctx context.Context, parts []donePart) error {
	in := &s3.CompleteMultipartUploadInput{
		Bucket: m.store.bucket(), Key: aws.String(m.key), UploadId: aws.String(m.ID),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: make([]types.CompletedPart, len(parts))},
	}
	for i, p := range parts {
		in.MultipartUpload.Parts[i] = types.CompletedPart{PartNumber: aws.Int32(p.Number), ETag: aws.String(p.ETag)}
		if m.Summed && p.CRC != "" {
			in.MultipartUpload.Parts[i].ChecksumCRC32 = aws.String(p.CRC)
		}
	}
	if whole, ok := sumOf(parts); ok && m.Summed {
		in.ChecksumCRC32, in.ChecksumType = aws.String(whole), types.ChecksumTypeFullObject
	}
	_, err := m.store.client.CompleteMultipartUpload(patiently(ctx), in)
	return err
}

// sumOf returns the CRC32 of the whole, if that of every part is known.
func sumOf(parts []donePart) (whole string, ok bool) {
	var sum uint32
	for _, p := range parts {
		crc, ok := parseCRC(p.CRC)
		if !ok {
			return "", false
		}
		sum = joinCRC(sum, crc, p.Size)
	}
	return formatCRC(sum), true
}

// parts lists what the server has of the upload, by number.
func (m *multipart) parts(ctx context.Context) (map[int32]donePart, error) {
	there := map[int32]donePart{}
	pages := s3.NewListPartsPaginator(m.store.client, &s3.ListPartsInput{
		Bucket: m.store.bucket(), Key: aws.String(m.key), UploadId: aws.String(m.ID),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Parts {
			done := donePart{Number: aws.ToInt32(p.PartNumber), Size: aws.ToInt64(p.Size), ETag: aws.ToString(p.ETag), CRC: aws.ToString(p.ChecksumCRC32)}
			there[done.Number] = done
		}
	}
	return there, nil
}

// abort ends an unfinished upload, and its parts, also when the context has ended already: that is
// when it is needed most.
func (s *Store) abort(ctx context.Context, key, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(30*time.Second, s.opts.Patience))
	defer cancel()
	// A part that was on its way may arrive after the first (AbortMultipartUpload's documentation says so): until the
	// upload is not known any more, it is aborted again.
	for attempt := 1; ; attempt++ {
		_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
			Bucket: s.bucket(), Key: aws.String(key), UploadId: aws.String(id),
		})
		if isGone(err) || attempt == maxAborts {
			return nil
		}
		if err == nil {
			err = s.sleep(ctx, attempt)
		}
		if err != nil {
			return s.fail(ctx, "abort the unfinished upload of", key, err)
		}
	}
}

// maxAborts is how often an upload is aborted that is known still.
const maxAborts = 4

// isGone reports whether the error says that there is no such multipart upload any more.
func isGone(err error) bool { return errorCode(err) == "NoSuchUpload" }

// copySource names an object as the header of a copy wants it.
func (s *Store) copySource(key string) string {
	escaped := url.QueryEscape(s.opts.Bucket + "/" + key)
	return strings.NewReplacer("+", "%20", "%2F", "/").Replace(escaped)
}

func byteRange(at, length int64) string { return fmt.Sprintf("bytes=%d-%d", at, at+length-1) }

func sorted(parts map[int32]donePart) []donePart {
	out := make([]donePart, 0, len(parts))
	for _, p := range parts {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b donePart) int { return int(a.Number - b.Number) })
	return out
}
