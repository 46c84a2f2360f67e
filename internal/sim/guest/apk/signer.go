package apk

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"io"
	"path"
	"slices"
)

// Ids of the pairs in a signing block.
const (
	schemeV2 = 0x7109871a
	schemeV3 = 0xf05368c0
)

// maxSignature bounds a signature file of the first scheme.
const maxSignature = 1 << 20

// signer is the digest of the certificate that the newest scheme names.
func signer(r io.ReaderAt, size int64, archive *zip.Reader) string {
	certificate := blockCertificate(signingBlock(r, size))
	if certificate == nil {
		certificate = jarCertificate(archive)
	}
	if certificate == nil {
		return Unsigned
	}
	sum := sha256.Sum256(certificate)
	return hex.EncodeToString(sum[:])
}

// blockCertificate is the first certificate in a signing block: in the pair of scheme 3, else 2.
func blockCertificate(block []byte) []byte {
	pairs := map[uint32][]byte{}
	for len(block) >= 12 {
		length := binary.LittleEndian.Uint64(block)
		if length < 4 || length > uint64(len(block)-8) {
			break
		}
		pairs[wordAt(block, 8)] = block[12 : 8+length]
		block = block[8+length:]
	}
	for _, scheme := range []uint32{schemeV3, schemeV2} {
		signers, _ := prefixed(pairs[scheme])
		one, _ := prefixed(signers)
		signed, _ := prefixed(one)
		_, behindDigests := prefixed(signed)
		certificates, _ := prefixed(behindDigests)
		if certificate, _ := prefixed(certificates); len(certificate) > 0 {
			return certificate
		}
	}
	return nil
}

// prefixed takes one piece with its length in front off b.
func prefixed(b []byte) (piece, rest []byte) {
	n := int64(wordAt(b, 0))
	if len(b) < 4 || n > int64(len(b)-4) {
		return nil, nil
	}
	return b[4 : 4+n], b[4+n:]
}

// jarCertificate is the first certificate of the signature that a JAR has.
func jarCertificate(archive *zip.Reader) []byte {
	for _, f := range archive.File {
		if dir, name := path.Split(f.Name); dir != "META-INF/" || !slices.Contains([]string{".RSA", ".DSA", ".EC"}, path.Ext(name)) {
			continue
		}
		data, err := entry(archive, f.Name, maxSignature)
		if err != nil {
			continue
		}
		if c := pkcs7Certificate(data); c != nil {
			return c
		}
	}
	return nil
}

// pkcs7Certificate takes the first certificate out of signed data (RFC 2315).
func pkcs7Certificate(data []byte) []byte {
	var outer struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	if _, err := asn1.Unmarshal(data, &outer); err != nil {
		return nil
	}
	var signed struct {
		Version      int
		Digests      asn1.RawValue
		Content      asn1.RawValue
		Certificates asn1.RawValue `asn1:"optional,tag:0"`
		Rest         asn1.RawValue `asn1:"optional,tag:1"`
		Signers      asn1.RawValue
	}
	if _, err := asn1.Unmarshal(outer.Content.Bytes, &signed); err != nil {
		return nil
	}
	var first asn1.RawValue
	if _, err := asn1.Unmarshal(signed.Certificates.Bytes, &first); err != nil {
		return nil
	}
	return first.FullBytes
}
