package apktest

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"hash/crc32"
	"io"
	"testing"
)

func pack(method uint16, content []byte) (packed []byte, sum uint32, err error) {
	sum = crc32.ChecksumIEEE(content)
	if method == zip.Store {
		return content, sum, nil
	}
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err != nil {
		return nil, 0, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, 0, err
	}
	err = w.Close() // before the bytes are taken: it flushes
	return out.Bytes(), sum, err
}

// Archive makes a ZIP of files, which are stored, in the order of pairs of name and content.
func Archive(t testing.TB, pairs ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i := 0; i+1 < len(pairs); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: pairs[i], Method: zip.Store})
		if err == nil {
			_, err = io.WriteString(w, pairs[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
