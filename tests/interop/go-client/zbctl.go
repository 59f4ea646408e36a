package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// zbctl does the same on the command line.
func (t *tour) zbctl() {
	binary := os.Getenv("BEEGATE_TOUR_ZBCTL")
	call := func(arguments ...string) (string, error) {
		all := append([]string{"--insecure", "--address", t.address}, arguments...)
		out, err := exec.Command(binary, all...).CombinedOutput()
		return string(out), err
	}
	answer := func(into any, arguments ...string) {
		out, err := call(arguments...)
		if err != nil {
			panic(failure(fmt.Sprintf("zbctl %v: %v: %s", arguments, err, out)))
		}
		if into != nil {
			t.must(json.Unmarshal([]byte(out), into), "zbctl "+arguments[0]+": "+out)
		}
	}
	out, err := call("status")
	t.check(err == nil && strings.Contains(out, "Leader, Healthy"), "zbctl status", out)
	file := filepath.Join(t.folder, "tasks.bpmn")
	text := strings.ReplaceAll(string(t.resource("tasks.bpmn")), t.prefix, t.name("zbctl-"))
	t.must(os.WriteFile(file, []byte(text), 0o600), "write")
	answer(nil, "deploy", "resource", file)
	var created struct{ ProcessInstanceKey json.RawMessage }
	process := t.name("zbctl-work")
	answer(&created, "create", "instance", process, "--variables", `{"n": 1}`)
	t.check(len(created.ProcessInstanceKey) > 0, "zbctl create instance")
	var activated struct {
		Jobs []struct{ Key json.RawMessage }
	}
	answer(&activated, "activate", "jobs", process, "--maxJobsToActivate", "1")
	t.check(len(activated.Jobs) == 1, "zbctl activate jobs")
	answer(nil, "complete", "job", strings.Trim(string(activated.Jobs[0].Key), `"`))
	t.check(true, "zbctl complete job")
	var published struct{ Key json.RawMessage }
	answer(&published, "publish", "message", t.name("paid"), "--correlationKey", "zbctl")
	t.check(len(published.Key) > 0, "zbctl publish message")
	out, err = call("create", "instance", "nobody-knows")
	t.check(err != nil && strings.Contains(out, "NOT_FOUND") || strings.Contains(out, "NotFound"),
		"zbctl tells what was refused", out)
}
