//go:build tools

package main

// zbctl is built from the version that go.mod names.
import _ "github.com/camunda/zeebe/clients/go/v8/cmd/zbctl"
