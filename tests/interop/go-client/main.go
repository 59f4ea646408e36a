// The tour that Zeebe's Go client and its command line zbctl take through a running gateway.
//
// Addresses come from the environment: BEEGATE_TOUR_GRPC (host:port), BEEGATE_TOUR_EMBEDDED (set
// where the embedded broker is behind), BEEGATE_TOUR_ZBCTL (the binary). Each step is checked; the
// first failure ends the tour with exit code 1.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/camunda/zeebe/clients/go/v8/pkg/zbc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	resources  = "tests/interop/resources/clients"
	patience   = 20 * time.Second
	jobTimeout = 30 * time.Minute
	unknown    = int64(1)<<51 + 1
)

// tour is one client with the names that only it uses.
type tour struct {
	client   zbc.Client
	address  string
	embedded bool
	prefix   string
	passed   int
	folder   string
}

// failure is what a check panics with; main reports it.
type failure string

func (t *tour) check(condition bool, what string, found ...any) {
	if !condition {
		panic(failure(fmt.Sprintln(append([]any{what}, found...)...)))
	}
	t.passed++
	fmt.Printf("ok %d - %s\n", t.passed, what)
}

func (t *tour) must(err error, what string) {
	if err != nil {
		panic(failure(fmt.Sprintf("%s: %v", what, err)))
	}
}

// refused checks an error's code and some of its words.
func (t *tour) refused(err error, code codes.Code, words, what string) {
	got := status.Convert(err)
	t.check(err != nil && got.Code() == code && strings.Contains(got.Message(), words), what, err)
}

// notEmbedded checks that the embedded broker says what it lacks.
func (t *tour) notEmbedded(err error, what string) {
	words := "the embedded broker does not support it"
	t.refused(err, codes.FailedPrecondition, words, what+" is refused in clear words")
}

func (t *tour) name(word string) string { return t.prefix + word }

// resource is a file with the names of this tour.
func (t *tour) resource(file string) []byte {
	text, err := os.ReadFile(filepath.Join(resources, file))
	t.must(err, file)
	return []byte(strings.ReplaceAll(string(text), `"tour-`, `"`+t.prefix))
}

func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// start creates an instance of the latest version of a process.
func (t *tour) start(process string, variables map[string]any) int64 {
	ctx, cancel := within()
	defer cancel()
	create := t.client.NewCreateInstanceCommand().BPMNProcessId(t.name(process)).LatestVersion()
	create, err := create.VariablesFromMap(variables)
	t.must(err, "variables")
	created, err := create.Send(ctx)
	t.must(err, "create "+process)
	return created.ProcessInstanceKey
}

// known waits until all partitions know a process: deployments reach the others a little later.
func (t *tour) known(process string) {
	ctx, cancel := within()
	defer cancel()
	// So many in a row, started round robin, and every partition had one.
	for inARow := 0; inARow < 12; inARow++ {
		create := t.client.NewCreateInstanceCommand().BPMNProcessId(t.name(process)).LatestVersion()
		_, err := create.Send(ctx)
		if status.Code(err) == codes.NotFound {
			time.Sleep(50 * time.Millisecond)
			inARow = -1
			continue
		}
		t.must(err, "create "+process)
	}
}

func (t *tour) run() {
	fmt.Println("# zeebe Go client 8.5.0")
	t.topology()
	t.deployments()
	t.instances()
	t.variables()
	t.decisions()
	t.messages()
	t.jobs()
	t.stream()
	t.worker(false)
	t.worker(true)
	t.zbctl()
}

func main() {
	word := make([]byte, 4)
	_, err := rand.Read(word)
	if err != nil {
		panic(err)
	}
	address := os.Getenv("BEEGATE_TOUR_GRPC")
	client, err := zbc.NewClient(&zbc.ClientConfig{
		GatewayAddress:         address,
		UsePlaintextConnection: true,
	})
	if err != nil {
		panic(err)
	}
	folder, err := os.MkdirTemp("", "go-client")
	if err != nil {
		panic(err)
	}
	t := &tour{
		client:   client,
		address:  address,
		embedded: os.Getenv("BEEGATE_TOUR_EMBEDDED") != "",
		prefix:   "tour-" + hex.EncodeToString(word) + "-",
		folder:   folder,
	}
	code := t.attempt()
	os.RemoveAll(folder)
	os.Exit(code)
}

// attempt takes the tour; what ends it is printed.
func (t *tour) attempt() (code int) {
	defer func() {
		if ended := recover(); ended != nil {
			fmt.Printf("not ok %d - %v\n", t.passed+1, ended)
			code = 1
		}
	}()
	t.run()
	t.must(t.client.Close(), "close")
	fmt.Printf("%d passed, 0 failed\n", t.passed)
	return 0
}
