package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/daytonaio/runner-android/internal/sim/s3"
)

// Ensure Amazon's own SDK, as it comes, can use the store: with signatures, checksums and its framing.
func TestTheSDKWorks(t *testing.T) {
	t.Parallel()
	store, err := s3.Open(t.TempDir(), "snapshots")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s3.Handler(store))
	t.Cleanup(server.Close)
	client := awss3.New(awss3.Options{
		BaseEndpoint: aws.String(server.URL), Region: "us-east-1", UsePathStyle: true, HTTPClient: limited(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		}),
	})
	ctx, bucket := t.Context(), aws.String("snapshots")
	key := aws.String
	read := func(name string) string {
		t.Helper()
		out, err := client.GetObject(ctx, &awss3.GetObjectInput{Bucket: bucket, Key: key(name)})
		if err != nil {
			t.Fatal(err)
		}
		defer out.Body.Close()
		content, err := io.ReadAll(out.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}

	if _, err := client.PutObject(ctx, &awss3.PutObjectInput{Bucket: bucket, Key: key("a b/ä"), Body: strings.NewReader("whole")}); err != nil {
		t.Fatal(err)
	}
	if got := read("a b/ä"); got != "whole" {
		t.Errorf("an object reads %q", got)
	}
	begun, err := client.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{
		Bucket: bucket, Key: key("parts"), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c, Metadata: map[string]string{"digest": "x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var done []types.CompletedPart
	for n := range int32(2) {
		part, err := client.UploadPart(ctx, &awss3.UploadPartInput{
			Bucket: bucket, Key: key("parts"), UploadId: begun.UploadId, PartNumber: aws.Int32(n + 1),
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c, Body: bytes.NewReader(bytes.Repeat([]byte{'a' + byte(n)}, 5<<20)),
		})
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, types.CompletedPart{PartNumber: aws.Int32(n + 1), ETag: part.ETag})
	}
	if _, err := client.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: key("parts"), UploadId: begun.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	}); err != nil {
		t.Fatal(err)
	}
	if got := read("parts"); len(got) != 10<<20 || got[5<<20-1] != 'a' || got[5<<20] != 'b' {
		t.Errorf("the object of two parts has %d bytes", len(got))
	}
	head, err := client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: bucket, Key: key("parts")})
	if err != nil || head.Metadata["digest"] != "x" {
		t.Errorf("HEAD: %v, %v", head, err)
	}
	list, err := client.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: bucket})
	if err != nil || len(list.Contents) != 2 {
		t.Errorf("list: %v, %v", list, err)
	}
	var missing *types.NoSuchKey
	if _, err := client.GetObject(ctx, &awss3.GetObjectInput{Bucket: bucket, Key: key("none")}); !errors.As(err, &missing) {
		t.Errorf("an object that is not there: %v", err)
	}
	deleted, err := client.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: key("parts")}, {Key: key("none")}},
	}})
	if err != nil || len(deleted.Errors) != 0 {
		t.Errorf("delete: %v, %v", deleted, err)
	}
}
