extension OpenAPI {
    /// Our own paths about who is one with whom.
    static let identityPaths = #"""
        "/identity/resolve": {
          "get": {
            "tags": ["identity"], "operationId": "resolve",
              "summary": "The canonical id of each id, in the order given.",
            "parameters": [
              {"name": "distinct_id", "in": "query", "required": true, "explode": true,
                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/DistinctID"}, "minItems": 1}},
              {"$ref": "#/components/parameters/as_of"},
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "security": [{"basic": []}],
            "responses": {"200": {"$ref": "#/components/responses/Resolved"}, \#(pastResponses)}
          },
          "post": {
            "tags": ["identity"], "operationId": "resolveMany", "summary": "The same for up to 10,000 ids.",
            "parameters": [
              {"$ref": "#/components/parameters/as_of"},
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "requestBody": {"required": true, "content": {"application/json": {"schema": {
              "type": "object", "required": ["distinct_ids"], "additionalProperties": false,
              "properties": {"distinct_ids": {
                "type": "array", "items": {"$ref": "#/components/schemas/DistinctID"}, "minItems": 1,
                  "maxItems": 10000},
                "as_of": {"type": ["string", "integer"], "description": "As the option of the query."}}}}}},
            "security": [{"basic": []}],
            "responses": {"200": {"$ref": "#/components/responses/Resolved"}, \#(pastResponses)}
          }
        },
        "/identity/cluster": {
          "get": {
            "tags": ["identity"], "operationId": "cluster",
              "summary": "The members and links of an id's cluster, in pages.",
            "parameters": [
              {"name": "distinct_id", "in": "query", "required": true,
                "schema": {"$ref": "#/components/schemas/DistinctID"}},
              {"$ref": "#/components/parameters/clusterCursor"}, {"$ref": "#/components/parameters/limit"},
              {"$ref": "#/components/parameters/as_of"},
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "security": [{"basic": []}],
            "responses": {
              "200": {"description": "A page of the cluster.", "content": {"application/json": {"schema": {
                "$ref": "#/components/schemas/Cluster"}}}},
              \#(pastResponses), "409": {"$ref": "#/components/responses/Conflict"}
            }
          }
        },
        "/identity/log": {
          "get": {
            "tags": ["identity"], "operationId": "log",
              "summary": "Every identity operation with its outcome, in order or the newest first.",
            "parameters": [
              {"name": "distinct_id", "in": "query", "schema": {"$ref": "#/components/schemas/DistinctID"}},
              {"name": "outcome", "in": "query",
                "description": "One or more of merged, unchanged and refused, with commas.",
                "schema": {"type": "string",
                  "pattern": "^(merged|unchanged|refused)(,(merged|unchanged|refused)){0,2}$"}},
              {"name": "verb", "in": "query",
                "schema": {"enum": ["$identify", "$create_alias", "$merge", "identify", "create_alias", "merge",
                  "device", "unmerge", "restore", "unblock", "rules"]}},
              {"name": "latest", "in": "query", "schema": {"type": "boolean", "default": false},
                "description": "Whether the newest entries come first; next is then what before must be."},
              {"name": "before", "in": "query", "schema": {"type": "integer", "minimum": 1},
                "description": "Only entries whose sequence is smaller."},
              {"$ref": "#/components/parameters/after"}, {"$ref": "#/components/parameters/limit"},
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "security": [{"basic": []}],
            "responses": {
              "200": {"description": "A page of the log.", "content": {"application/json": {"schema": {
                "type": "object", "required": ["entries", "next"], "additionalProperties": false, "properties": {
                  "entries": {"type": "array", "items": {"$ref": "#/components/schemas/LogEntry"}},
                  "next": {"$ref": "#/components/schemas/Next"}}}}}},
              \#(queryResponses)
            }
          },
          "post": {
            "tags": ["identity"], "operationId": "importLog",
              "summary": "Takes the log of another project, as `selfsame export` writes it.",
            "description": "JSON lines: {\"type\":\"log\",…}, then any run of the export's. What is there is left.",
            "parameters": [
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "requestBody": {"required": true, "content": {"text/plain": {"schema": {"type": "string"}}}},
            "security": [{"basic": []}],
            "responses": {
              "200": {"description": "What became of the lines.", "content": {"application/json": {"schema": {
                "type": "object", "additionalProperties": false,
                "required": ["read", "stored", "already_there", "rejected", "merged", "unchanged", "refused",
                  "amendments", "lost", "skipped_rules", "rejections", "warnings"],
                "properties": {
                  "read": {"type": "integer"}, "stored": {"type": "integer"}, "already_there": {"type": "integer"},
                  "rejected": {"type": "integer"}, "merged": {"type": "integer"}, "unchanged": {"type": "integer"},
                  "refused": {"type": "integer"}, "amendments": {"type": "integer"}, "lost": {"type": "integer"},
                  "skipped_rules": {"type": "integer"},
                  "rejections": {"type": "array", "items": {"type": "object",
                    "required": ["line", "column", "message"], "additionalProperties": false, "properties": {
                      "line": {"type": "integer"}, "column": {"type": "integer"}, "message": {"type": "string"}}}},
                  "warnings": {"type": "array", "items": {"type": "string"}}}}}}},
              \#(queryResponses)
            }
          }
        },
        "/identity/explain": {
          "get": {
            "tags": ["identity"], "operationId": "explain",
              "summary": "The chain of links between two ids, or why there is none.",
            "parameters": [
              {"name": "from", "in": "query", "required": true, "schema": {"$ref": "#/components/schemas/DistinctID"}},
              {"name": "to", "in": "query", "required": true, "schema": {"$ref": "#/components/schemas/DistinctID"}},
              {"$ref": "#/components/parameters/after"}, {"$ref": "#/components/parameters/limit"},
              {"$ref": "#/components/parameters/as_of"},
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "security": [{"basic": []}],
            "responses": {
              "200": {"description": "The explanation.", "content": {"application/json": {"schema": {
                "$ref": "#/components/schemas/Explanation"}}}},
              \#(pastResponses)
            }
          }
        },
        "/identity/preview": {
          "post": {
            "tags": ["identity"], "operationId": "preview",
              "summary": "What /import would make of the same body, with nothing stored.",
            "parameters": [
              {"$ref": "#/components/parameters/strict"}, {"$ref": "#/components/parameters/project_id"},
              {"$ref": "#/components/parameters/min_sequence"}
            ],
            "requestBody": {"content": {
              "application/json": {"schema": {"$ref": "#/components/schemas/Events"}},
              "application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Form"}},
              "text/plain": {"schema": {"type": "string", "description": "JSON, or a JSON object a line."}}
            }},
            "security": [{"basic": []}],
            "responses": {
              "200": {"description": "What would become of each record, and of clusters.", "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Preview"}}}},
              \#(queryResponses)
            }
          }
        },
        "/identity/events": {
          "get": {
            "tags": ["identity"], "operationId": "activity",
              "summary": "The events of an id's whole cluster, newest first, in pages.",
            "parameters": [
              {"name": "distinct_id", "in": "query", "required": true,
                "schema": {"$ref": "#/components/schemas/DistinctID"}},
              {"name": "limit", "in": "query",
                "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}},
              {"name": "before", "in": "query",
                "description": "The next of the page before, or a time, excluded: RFC 3339, or seconds since 1970.",
                "schema": {"type": "string"}, "example": "2024-05-01T12:00:00Z"},
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "security": [{"basic": []}],
            "responses": {
              "200": {"description": "A page of events.", "content": {"application/json": {"schema": {
                "type": "object", "required": ["canonical_id", "events", "next"], "additionalProperties": false,
                "properties": {
                  "canonical_id": {"type": "string"},
                  "events": {"type": "array", "items": {"type": "object", "required": ["event", "properties"],
                    "additionalProperties": false, "properties": {
                      "event": {"type": "string"}, "properties": {"type": "object",
                        "required": ["time", "distinct_id", "$insert_id"], "properties": {
                          "time": {"type": "integer"}, "distinct_id": {"type": "string"},
                          "$insert_id": {"type": "string"}}}}}},
                  "next": {"type": ["string", "null"],
                    "description": "What before must be for the next page; null on the last."}}}}}},
              \#(queryResponses)
            }
          }
        },
        "/identity/changes": {
          "get": {
            "tags": ["identity"], "operationId": "changes",
              "summary": "Each change of a canonical id, in order: up to now, or as they come.",
            "parameters": [
              {"$ref": "#/components/parameters/cursor"},
              {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100000}},
              {"$ref": "#/components/parameters/follow"},
              {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"},
                "description": "The cursor of the last event; counts more than after, where follow is 1."},
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "security": [{"basic": []}],
            "responses": {
              "200": {"description": "A line for each change, or an event.",
                "headers": {"X-Selfsame-Sequence": {"$ref": "#/components/headers/Sequence"}},
                "content": {
                  "application/jsonl": {"schema": {"type": "string"}},
                  "text/event-stream": {"schema": {"type": "string"}}}},
              \#(pastResponses)
            }
          }
        },
        "/identity/mappings": {
          "get": {
            "tags": ["identity"], "operationId": "mappings",
              "summary": "Every known id with its canonical id, or those that are new since a cursor.",
            "parameters": [
              {"name": "format", "in": "query", "schema": {"enum": ["jsonl", "csv"], "default": "jsonl"}},
              {"$ref": "#/components/parameters/as_of"}, {"$ref": "#/components/parameters/cursor"},
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "security": [{"basic": []}],
            "responses": {
              "200": {"description": "A line for each id.",
                "headers": {"X-Selfsame-Sequence": {"$ref": "#/components/headers/Sequence"},
                  "X-Selfsame-Cursor": {"$ref": "#/components/headers/Cursor"}},
                "content": {
                  "application/jsonl": {"schema": {"type": "string"}}, "text/csv": {"schema": {"type": "string"}}}},
              \#(pastResponses)
            }
          }
        }
        """#
}
