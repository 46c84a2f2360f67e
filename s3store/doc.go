// Package s3store keeps objects in one bucket of an S3 server.
//
// It moves large, mostly empty files well: an upload is told by a plan of [Piece] values what of
// the content is data, zero or in another object already. What is data is sent, the rest is copied
// within the server where it can do that, and sent where it cannot.
//
// Words: an *object* is bytes under a *key*, there whole or not at all. A *piece* is a range of
// the content as the caller knows it, a *part* a range as S3's multipart uploads take it: 5 MiB at
// least but for the last, 10,000 at most. The *reserved* keys hold objects that the package makes
// for itself: blocks of zeros to copy from. A *journal* is the caller's small storage in which an
// upload finds out after a restart which parts the server has.
//
// What arrives is verified: each part is sent with its CRC32, the whole is compared with the CRC32
// of its parts when it is put together, and a download with that of the object. Objects of which the server copied
// parts have no such sum, and servers that do not know them are used without (see Options.PlainRequests): a digest of
// the caller's own is what counts in the end.
//
// Requests are repeated after resets, silence, 5xx and slow-downs with growing pauses. Errors carry
// a kind of internal/fault, say what was tried on which key of which bucket, and hold no credential:
// NotFound no such object; Forbidden what the keys may not do; Conflict an object that exists,
// or has changed meanwhile; Exhausted a full disk or quota; Unavailable everything that may pass.
// That the bucket is missing is Unavailable, not NotFound: nobody shall take a wrong setting for an
// absent object.
//
// The package knows nothing of snapshots, and does not hash or compress. Checked against versitygw
// 1.8.0 and gofakes3 1.2.0 with aws-sdk-go-v2/service/s3 1.114.
//
//	store, err := s3store.Open(s3store.Options{Endpoint: url, Bucket: "snaps", AccessKey: k, SecretKey: s})
//	_, err = store.Upload(ctx, "org/snap/overlay.img", file, plan, s3store.UploadOptions{})
package s3store
