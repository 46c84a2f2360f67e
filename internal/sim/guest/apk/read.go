package apk

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ErrNotAPK is a file that is no zip archive, or one that no tool makes of an app.
var ErrNotAPK = errors.New("not an APK")

// ManifestError is an archive whose manifest is missing or wrong.
type ManifestError struct{ Reason string }

// Error says what is wrong.
func (e *ManifestError) Error() string { return "AndroidManifest.xml: " + e.Reason }

// Bounds on the archive.
const (
	maxEntries   = 65_000
	maxDirectory = 16 << 20 // bytes of the zip's directory
	maxManifest  = 4 << 20  // bytes of the manifest, inflated
	maxTable     = 64 << 20 // bytes of the table, inflated; the label of a larger one is not found
)

// Read reads an APK of size bytes. An error is ErrNotAPK or a *ManifestError, or comes from r.
func Read(r io.ReaderAt, size int64) (*APK, error) {
	if err := checkDirectory(r, size); err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotAPK, err)
	}
	a := &APK{Metadata: map[string]string{}, MinSDK: 1, TargetSDK: 1}
	data, err := entry(archive, "AndroidManifest.xml", maxManifest)
	if err != nil {
		return nil, &ManifestError{err.Error()}
	}
	if err := readXML(data, (&collector{apk: a}).start); err != nil {
		return nil, &ManifestError{err.Error()}
	}
	if !a.hasPackage {
		return nil, &ManifestError{"there is no <manifest>"}
	}
	a.ABIs = abis(archive)
	a.Signer = signer(r, size, archive)
	a.findLabel(archive)
	return a, nil
}

// findLabel looks the label up. A table that cannot be read has none: only the label is wanted of it.
func (a *APK) findLabel(archive *zip.Reader) {
	if a.labelID == 0 {
		return
	}
	data, err := entry(archive, "resources.arsc", maxTable)
	if err != nil {
		return
	}
	if t, err := newTable(data); err == nil {
		a.Label = t.text(a.labelID)
	}
}

// entry inflates a file of the archive.
func entry(archive *zip.Reader, name string, limit int64) ([]byte, error) {
	i := slices.IndexFunc(archive.File, func(f *zip.File) bool { return f.Name == name })
	if i < 0 {
		return nil, errors.New("it is missing")
	}
	f := archive.File[i]
	if f.UncompressedSize64 > uint64(limit) {
		return nil, fmt.Errorf("it has %d bytes, at most %d are read", f.UncompressedSize64, limit)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// What is inflated ends with the size that the directory states, or with an error.
	return io.ReadAll(io.LimitReader(r, limit))
}

// abis are the machines that the APK has code for.
func abis(archive *zip.Reader) []string {
	var list []string
	for _, f := range archive.File {
		parts := strings.Split(f.Name, "/")
		if len(parts) == 3 && parts[0] == "lib" && strings.HasSuffix(parts[2], ".so") && len(parts[1]) < 32 && !slices.Contains(list, parts[1]) && len(list) < 16 {
			list = append(list, parts[1])
		}
	}
	slices.Sort(list)
	return list
}

// directoryEnd is the zip's last record: where its directory is.
type directoryEnd struct{ entries, size, offset int64 }

// endOf finds it as package zip does, the last one that fits.
func endOf(r io.ReaderAt, size int64) (directoryEnd, error) {
	const length = 22
	tail := make([]byte, min(size, 65536+length))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return directoryEnd{}, err
	}
	for i := len(tail) - length; i >= 0; i-- {
		if string(tail[i:i+4]) == "PK\x05\x06" && i+length+halfAt(tail, i+20) <= len(tail) {
			e := tail[i:]
			return directoryEnd{int64(halfAt(e, 10)), int64(wordAt(e, 12)), int64(wordAt(e, 16))}, nil
		}
	}
	return directoryEnd{}, fmt.Errorf("%w: no end of the archive", ErrNotAPK)
}

// checkDirectory refuses archives whose directory would take much memory. Android has no zip64.
func checkDirectory(r io.ReaderAt, size int64) error {
	end, err := endOf(r, size)
	switch {
	case err != nil:
		return err
	case end.entries > maxEntries, end.size > maxDirectory, end.offset+end.size > size, end.offset == 0xffffffff:
		return fmt.Errorf("%w: %d entries in %d bytes", ErrNotAPK, end.entries, end.size)
	}
	return nil
}

// signingBlock is what stands between the archive's files and its directory, nil if nothing does.
func signingBlock(r io.ReaderAt, size int64) []byte {
	const (
		magic    = "APK Sig Block 42"
		maxBlock = 1 << 20
	)
	end, err := endOf(r, size)
	if err != nil || end.offset < 32 {
		return nil
	}
	var foot [24]byte
	if _, err := r.ReadAt(foot[:], end.offset-24); err != nil || string(foot[8:]) != magic {
		return nil
	}
	length := binary.LittleEndian.Uint64(foot[:])
	if length < 24 || length > maxBlock || int64(length)+8 > end.offset {
		return nil
	}
	block := make([]byte, length-24)
	if _, err := r.ReadAt(block, end.offset-int64(length)); err != nil {
		return nil
	}
	return block
}
