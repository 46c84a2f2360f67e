package transporttest

import (
	"testing"

	"go.uber.org/goleak"
)

// Main is a package's TestMain: it fails when a goroutine is left at the end.
func Main(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp's clock for the Date header, one for the life of the process.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// It sleeps up to ten seconds before it sees that its server has ended.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}
