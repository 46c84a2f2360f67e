package apk

import (
	"archive/zip"
	"errors"
	"io"
	"slices"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	// EntryName is the manifest's in the archive that an APK is.
	EntryName = "AndroidManifest.xml"
	// maxManifest bounds a manifest; the largest of large apps have a quarter of it.
	maxManifest = 4 << 20
	// maxDirectory bounds what is read of a ZIP's directory: 65,535 entries with long names. In memory it is some
	// times as much.
	maxDirectory = 8 << 20
)

// OpenZIP is zip.NewReader, bounded in what it reads and so in the memory that it takes. Invalid when the file is no
// ZIP, or one with a directory beyond 8 MiB.
func OpenZIP(r io.ReaderAt, size int64) (*zip.Reader, error) {
	bounded := &boundedReaderAt{r: r, left: maxDirectory}
	z, err := zip.NewReader(bounded, size)
	switch {
	case bounded.left < 0:
		return nil, fault.Invalidf("the file's directory is longer than %d MiB", maxDirectory>>20)
	case errors.Is(err, zip.ErrInsecurePath), err == nil:
		bounded.open = true
		return z, nil // names are never used as paths
	default:
		return nil, fault.Invalidf("this is no APK and no archive of APKs: %v", err)
	}
}

// boundedReaderAt bounds what is read until it is opened.
type boundedReaderAt struct {
	r    io.ReaderAt
	left int64
	open bool
}

var errBound = errors.New("too much to read")

// ReadAt implements io.ReaderAt.
func (b *boundedReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if !b.open {
		if b.left -= int64(len(p)); b.left < 0 {
			return 0, errBound
		}
	}
	return b.r.ReadAt(p, off)
}

// Read reads the manifest of an APK. Invalid when there is none.
func Read(r io.ReaderAt, size int64) (Manifest, error) {
	z, err := OpenZIP(r, size)
	if err != nil {
		return Manifest{}, err
	}
	return Of(z)
}

// Of reads the manifest of an APK that is open. Invalid when there is none.
func Of(z *zip.Reader) (Manifest, error) {
	at := slices.IndexFunc(z.File, func(f *zip.File) bool { return f.Name == EntryName })
	if at < 0 {
		return Manifest{}, fault.Invalidf("this is no APK: it has no %s", EntryName)
	}
	content, err := z.File[at].Open()
	if err != nil {
		return Manifest{}, errNoManifest
	}
	defer content.Close()
	data, err := io.ReadAll(io.LimitReader(content, maxManifest))
	if err != nil {
		return Manifest{}, errNoManifest
	}
	return Parse(data)
}
