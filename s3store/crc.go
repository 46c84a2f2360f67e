package s3store

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
)

// The CRC32 of a whole from those of its parts, as S3's checksums of the type FULL_OBJECT have it.

// wholeCRC returns the checksum if it is one of a whole object, and "" for any other.
func wholeCRC(s string) string {
	if _, ok := parseCRC(s); ok {
		return s
	}
	return ""
}

func parseCRC(s string) (sum uint32, ok bool) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(raw) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(raw), true
}

func formatCRC(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// joinCRC returns the CRC32 of two contents in a row, the second of which has length bytes:
// that of the first, shifted by so many zero bytes, and that of the second. Both are polynomials
// over bits modulo crc32.IEEE, lowest power in the highest bit.
func joinCRC(first, second uint32, length int64) uint32 {
	return mulCRC(first, powerCRC(uint64(length))) ^ second
}

// one is the polynomial 1.
const one = uint32(1) << 31

// mulCRC multiplies two polynomials.
func mulCRC(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		if a&one != 0 {
			product ^= b
		}
		b = b>>1 ^ crc32.IEEE&-(b&1)
	}
	return product
}

// powerCRC returns x to the power of 8n: what n zero bytes multiply a sum by.
func powerCRC(n uint64) uint32 {
	result, square := one, one>>8 // x^8
	for ; n != 0; n >>= 1 {
		if n&1 != 0 {
			result = mulCRC(result, square)
		}
		square = mulCRC(square, square)
	}
	return result
}

// zerosCRC returns the CRC32 of n zero bytes.
func zerosCRC(n int64) uint32 {
	// A sum begins with all bits set and is inverted at its end; zeros only shift it.
	return ^mulCRC(^uint32(0), powerCRC(uint64(n)))
}
