package image

import (
	"context"
	"path"
	"regexp"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
)

// hashRef is the end of the reference that Daytona makes for an image it was told the hash of:
// <registry>/<project>/daytona-<hash>:daytona.
var hashRef = regexp.MustCompile(`^daytona-([0-9a-f]{64})(?::.*)?$`)

// hashIn returns the hash that a reference names.
func hashIn(ref string) (hash string, ok bool) {
	if m := hashRef.FindStringSubmatch(path.Base(ref)); m != nil {
		return m[1], true
	}
	return "", false
}

// Source finds the image that Daytona means when it inspects or pulls ref, which is written as
// if it were in a registry:
//
//   - what Resolve finds: a name of this host, or a reference made by Link;
//   - …/daytona-<hash>[:tag]: the base image with that hash, which is how a snapshot spreads
//     from host to host. It reads every base image that was not read before until one fits;
//   - …/name:tag: the base image name-tag, else the base image name.
//
// Registry and project do not count, for nothing is ever downloaded. Everything else is NotFound,
// and the error says what exists; the other errors are those of Resolve.
func (c *Catalog) Source(ctx context.Context, ref string) (Base, error) {
	base, err := c.Resolve(ctx, ref)
	if err == nil || !fault.Is(err, fault.NotFound) {
		return base, err
	}
	if hash, ok := hashIn(ref); ok {
		return c.byHash(ctx, ref, hash)
	}
	name, tag, ok := strings.Cut(path.Base(ref), ":")
	if !ok || strings.HasSuffix(ref, "/") {
		return Base{}, err
	}
	for _, candidate := range []string{name + "-" + tag, name} {
		if !component.MatchString(candidate) || candidate == snapshotsDir {
			continue
		}
		base, err := c.Resolve(ctx, candidate)
		if !fault.Is(err, fault.NotFound) {
			base.Name = ref
			return base, err
		}
	}
	return Base{}, fault.NotFoundf("image %s is not on this host: want a directory %s-%s or %s in %s: %s",
		ref, name, tag, name, c.artifacts, c.known(ctx))
}

// byHash finds the base image with that hash, and reads only when none of those that were read
// before has it. An image that cannot be used is passed over, and named when no other fits.
func (c *Catalog) byHash(ctx context.Context, ref, hash string) (Base, error) {
	images, unfit, err := c.usable(ctx)
	if err != nil {
		return Base{}, fault.Op("find image "+ref, err)
	}
	var unread []Base
	for _, base := range images {
		base.Name = ref
		if read, ok := c.digested(ctx, base); !ok {
			unread = append(unread, base)
		} else if identity(read).Hash == hash {
			return base, nil
		}
	}
	for _, base := range unread {
		read, err := c.Digest(ctx, base)
		switch {
		case ctx.Err() != nil:
			return Base{}, fault.Op("find image "+ref, ctx.Err())
		case err != nil:
			unfit = append(unfit, err.Error())
		case identity(read).Hash == hash:
			return base, nil
		}
	}
	msg := c.known(ctx)
	if len(unfit) > 0 {
		msg += "; not looked at: " + strings.Join(unfit, "; ")
	}
	return Base{}, fault.NotFoundf("image %s is not on this host: no base image in %s has the hash %s, "+
		"so copy the image here from a host that has it: %s", ref, c.artifacts, hash, msg)
}

// usable resolves every base image, each directory once whatever links lead to it, and says what
// is wrong with the others.
func (c *Catalog) usable(ctx context.Context) (images []Base, unfit []string, err error) {
	names, err := c.bases(ctx)
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	for _, name := range names {
		base, err := c.Resolve(ctx, name)
		switch {
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		case fault.Is(err, fault.NotFound): // a directory of something else
		case err != nil:
			unfit = append(unfit, err.Error())
		case !seen[base.Dir]:
			seen[base.Dir] = true
			images = append(images, base)
		}
	}
	return images, unfit, nil
}
