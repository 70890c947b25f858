// The Pulumi engine and its command line, for the tests: built from the module proxy's modules,
// since no package index has the program. scripts/pulumi builds it.
//
//go:build engine

package engine

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
