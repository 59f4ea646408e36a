package main

import (
	"encoding/json"
	"time"

	"google.golang.org/grpc/codes"
)

func (t *tour) topology() {
	ctx, cancel := within()
	defer cancel()
	topology, err := t.client.NewTopologyCommand().Send(ctx)
	t.must(err, "topology")
	t.check(int(topology.ClusterSize) == len(topology.Brokers), "topology: all brokers")
	leaders := map[int32]int{}
	for _, broker := range topology.Brokers {
		for _, partition := range broker.Partitions {
			if partition.Role.String() == "LEADER" && partition.Health.String() == "HEALTHY" {
				leaders[partition.PartitionId]++
			}
		}
	}
	t.check(len(leaders) == int(topology.PartitionsCount), "every partition has a leader", leaders)
	t.check(topology.GatewayVersion != "", "the gateway has a version")
}

func (t *tour) deployments() {
	ctx, cancel := within()
	defer cancel()
	deploy := t.client.NewDeployResourceCommand().AddResource(t.resource("tasks.bpmn"), "tasks.bpmn")
	if !t.embedded {
		deploy = deploy.AddResource(t.resource("decision.dmn"), "decision.dmn").
			AddResource(t.resource("form.form"), "form.form").
			AddResource(t.resource("signal.bpmn"), "signal.bpmn")
	}
	deployed, err := deploy.Send(ctx)
	t.must(err, "deploy")
	kinds := map[string]int{}
	for _, deployment := range deployed.Deployments {
		switch {
		case deployment.GetProcess() != nil:
			kinds["process"]++
		case deployment.GetDecision() != nil:
			kinds["decision"]++
		case deployment.GetDecisionRequirements() != nil:
			kinds["requirements"]++
		case deployment.GetForm() != nil:
			kinds["form"]++
		}
	}
	if t.embedded {
		t.check(kinds["process"] == 5, "processes are deployed", kinds)
	} else {
		complete := kinds["process"] == 6 && kinds["decision"] == 1
		complete = complete && kinds["requirements"] == 1 && kinds["form"] == 1
		t.check(complete, "processes, a decision and a form are deployed", kinds)
	}
	t.known("none")
	_, err = t.client.NewDeployResourceCommand().AddResource([]byte("<no"), "no.bpmn").Send(ctx)
	words := "Expected to deploy new resources, but encountered the following errors"
	t.refused(err, codes.InvalidArgument, words, "a broken resource is refused")
	gone := t.client.NewDeployResourceCommand().AddResource(t.resource("tasks.bpmn"), "gone.bpmn")
	again, err := gone.Send(ctx)
	t.must(err, "deploy under another name")
	for _, deployment := range again.Deployments {
		key := deployment.GetProcess().ProcessDefinitionKey
		_, err = t.client.NewDeleteResourceCommand().ResourceKey(key).Send(ctx)
		t.must(err, "delete")
	}
	_, err = t.client.NewDeleteResourceCommand().ResourceKey(unknown).Send(ctx)
	t.refused(err, codes.NotFound, "no resource found", "resources are deleted, unknown ones not")
}

func (t *tour) instances() {
	ctx, cancel := within()
	defer cancel()
	create := t.client.NewCreateInstanceCommand
	byVersion, err := create().BPMNProcessId(t.name("none")).Version(1).Send(ctx)
	t.must(err, "create by version")
	t.check(byVersion.Version == 1 && byVersion.TenantId == "<default>", "an instance of a version")
	key := byVersion.ProcessDefinitionKey
	byKey, err := create().ProcessDefinitionKey(key).TenantId("<default>").Send(ctx)
	t.must(err, "create by key")
	t.check(byKey.BpmnProcessId == t.name("none"), "an instance by the key of its definition")
	given := map[string]any{"text": "Grüße, 世界 🐝", "list": []any{1.0, "two", nil}, "yes": true}
	with, err := create().BPMNProcessId(t.name("none")).LatestVersion().VariablesFromMap(given)
	t.must(err, "variables")
	result, err := with.WithResult().FetchVariables("text", "list", "unknown").Send(ctx)
	t.must(err, "create with result")
	var found map[string]any
	t.must(json.Unmarshal([]byte(result.Variables), &found), "result")
	same := len(found) == 2 && found["text"] == given["text"]
	t.check(same && len(found["list"].([]any)) == 3, "a result has what was asked for", found)
	_, err = create().BPMNProcessId("nobody-knows").LatestVersion().Send(ctx)
	t.refused(err, codes.NotFound, "process ID 'nobody-knows'", "an unknown process is refused")
	_, err = create().BPMNProcessId(t.name("none")).LatestVersion().TenantId("other").Send(ctx)
	t.refused(err, codes.InvalidArgument, "multi-tenancy is disabled", "another tenant is refused")
	middle := create().BPMNProcessId(t.name("two")).LatestVersion().StartBeforeElement("second")
	_, err = middle.Send(ctx)
	t.must(err, "start before")
	job := t.take("second")
	t.check(job.ElementId == "second", "an instance starts before the named element")
	t.complete(job.Key)
	instance := t.start("message", map[string]any{"order": "cancelled"})
	_, err = t.client.NewCancelInstanceCommand().ProcessInstanceKey(instance).Send(ctx)
	t.must(err, "cancel")
	_, err = t.client.NewCancelInstanceCommand().ProcessInstanceKey(instance).Send(ctx)
	words := "Expected to cancel a process instance with key"
	t.refused(err, codes.NotFound, words, "a cancelled instance is gone")
}

func (t *tour) variables() {
	ctx, cancel := within()
	defer cancel()
	instance := t.start("two", map[string]any{"kept": 1})
	scope := t.take("first")
	for key, local := range map[int64]bool{instance: false, scope.ElementInstanceKey: true} {
		set := t.client.NewSetVariablesCommand().ElementInstanceKey(key)
		with, err := set.VariablesFromMap(map[string]any{map[bool]string{true: "near", false: "far"}[local]: 2})
		t.must(err, "variables")
		response, err := with.Local(local).Send(ctx)
		t.must(err, "set variables")
		t.check(response.Key > 0, "variables are set")
	}
	_, err := t.client.NewFailJobCommand().JobKey(scope.Key).Retries(3).Send(ctx)
	t.must(err, "fail")
	again := t.take("first")
	variables, err := again.GetVariablesAsMap()
	t.must(err, "variables")
	t.check(len(variables) == 3, "a task sees local and outer variables", variables)
	_, err = t.client.NewCancelInstanceCommand().ProcessInstanceKey(instance).Send(ctx)
	t.must(err, "cancel")
}

func (t *tour) decisions() {
	ctx, cancel := within()
	defer cancel()
	evaluate := t.client.NewEvaluateDecisionCommand().DecisionId(t.name("decision"))
	with, err := evaluate.VariablesFromMap(map[string]any{"amount": 12})
	t.must(err, "variables")
	evaluated, err := with.Send(ctx)
	if t.embedded {
		t.notEmbedded(err, "evaluating a decision")
		return
	}
	t.must(err, "evaluate")
	t.check(evaluated.DecisionOutput == `"large"`, "a decision is evaluated by id")
	key := t.client.NewEvaluateDecisionCommand().DecisionKey(evaluated.DecisionKey)
	with, err = key.VariablesFromString(`{"amount": 3}`)
	t.must(err, "variables")
	evaluated, err = with.Send(ctx)
	t.must(err, "evaluate")
	t.check(evaluated.DecisionOutput == `"small"`, "and by key")
}

func (t *tour) messages() {
	ctx, cancel := within()
	defer cancel()
	publish := func() error {
		message := t.client.NewPublishMessageCommand().MessageName(t.name("paid"))
		with, err := message.CorrelationKey("Schlüssel").MessageId("once").TimeToLive(5 * time.Minute).
			VariablesFromMap(map[string]any{"by": "Ada"})
		t.must(err, "variables")
		_, err = with.Send(ctx)
		return err
	}
	t.must(publish(), "publish")
	words := "Expected to publish a new message with id 'once'"
	t.refused(publish(), codes.AlreadyExists, words, "a message id is taken once")
	order := map[string]any{"order": "Schlüssel"}
	create, err := t.client.NewCreateInstanceCommand().BPMNProcessId(t.name("message")).
		LatestVersion().VariablesFromMap(order)
	t.must(err, "variables")
	result, err := create.WithResult().FetchVariables("by").Send(ctx)
	t.must(err, "create with result")
	t.check(result.Variables == `{"by":"Ada"}`, "a message waits for its instance", result.Variables)
	signal, err := t.client.NewBroadcastSignalCommand().SignalName(t.name("alarm")).
		VariablesFromMap(map[string]any{"level": "high"})
	t.must(err, "variables")
	broadcast, err := signal.Send(ctx)
	t.must(err, "broadcast")
	t.check(broadcast.Key > 0, "a signal is broadcast")
	if !t.embedded {
		t.complete(t.take("react").Key)
		t.check(true, "it starts an instance")
	}
}
