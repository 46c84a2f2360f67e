package obs

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/configs"
	"github.com/daytonaio/runner-android/internal/fault"
)

// ServiceName is what the runner is called in traces.
const ServiceName = "runner-android"

// Attributes of spans, beside the field names of the log with dots for underscores.
const (
	AttrSandboxID    = attribute.Key("sandbox.id")
	AttrJobID        = attribute.Key("job.id")
	AttrJobType      = attribute.Key("job.type")
	AttrJobStatus    = attribute.Key("job.status")
	AttrJobError     = attribute.Key("job.error")
	AttrResourceType = attribute.Key("resource.type")
	AttrResourceID   = attribute.Key("resource.id")
)

// Tracing makes spans and sends them to a collector. Where it is off, spans have ids all the same
// and go nowhere, so that a trace that others began passes through the runner whole.
type Tracing struct {
	provider *sdktrace.TracerProvider
	enabled  bool
}

// NewTracing prepares spans as cfg says; a collector that is down is no error. instance tells this
// runner from others. Close it to send what is left.
func NewTracing(ctx context.Context, cfg configs.Tracing, instance string, log *zap.Logger) (*Tracing, error) {
	if !cfg.Enabled {
		sampler := sdktrace.ParentBased(sdktrace.NeverSample()) // what others sample stays sampled
		return &Tracing{provider: sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler))}, nil
	}
	// The library has one handler of errors in a process, and writes to stderr without it.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("traces not sent", zap.Error(err))
	}))
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(cfg.Endpoint+"/v1/traces"), otlptracehttp.WithHeaders(headers(cfg.Headers)))
	if err != nil {
		return nil, fmt.Errorf("prepare traces to %s: %w", cfg.Endpoint, err)
	}
	build := ThisBuild()
	return &Tracing{enabled: true, provider: sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter), sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", ServiceName), attribute.String("service.version", build.Version),
			attribute.String("service.instance.id", instance),
		)),
	)}, nil
}

func headers(list configs.Secret) map[string]string {
	out := map[string]string{}
	for _, pair := range strings.Split(list.Reveal(), ",") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			out[strings.TrimSpace(name)] = decoded(strings.TrimSpace(value))
		}
	}
	return out
}

// decoded is a value as the variable's standard has it, percent-encoded ("Basic%20abc"); one that is
// not encoded is taken as it stands.
func decoded(value string) string {
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

// Enabled reports whether spans are sent anywhere.
func (t *Tracing) Enabled() bool { return t.enabled }

// Tracer returns the tracer of a component.
func (t *Tracing) Tracer(component string) trace.Tracer { return t.provider.Tracer(component) }

// Close sends what is left, until ctx ends.
func (t *Tracing) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// EndSpan ends a span; an error makes it a failed one, except that something does not exist, which
// is an answer (as Daytona's runner has it). The kind is told and not the text, which may hold what a
// collector must not see; the log has it, by trace id.
func EndSpan(span trace.Span, err error) {
	if err != nil && !fault.Is(err, fault.NotFound) {
		span.SetStatus(codes.Error, fault.KindOf(err).String())
	}
	span.End()
}

// TraceField is the log field that leads from a line to its trace; nothing without one.
func TraceField(sc trace.SpanContext) zap.Field {
	if !sc.HasTraceID() {
		return zap.Skip()
	}
	return zap.String(TraceID, sc.TraceID().String())
}
