extension OpenAPI {
    /// Deletion and retrieval for privacy law.
    static let privacyPaths = [
        tasks("deletions", "Deletion", "Delete everything about the clusters of some ids."),
        tasks("retrievals", "Retrieval", "Gather everything about the clusters of some ids in a file."),
        download,
    ].joined(separator: ",\n")

    private static func tasks(_ path: String, _ name: String, _ summary: String) -> String {
        #"""
        "/api/app/data-\#(path)/v3.0": {
          "post": {
            "tags": ["privacy"], "operationId": "create\#(name)", "summary": "\#(summary)",
            "parameters": [
              {"$ref": "#/components/parameters/token"}, {"$ref": "#/components/parameters/project_id"}
            ],
            "requestBody": {"required": true, "content": {"application/json": {"schema": {
              "type": "object", "required": ["distinct_ids"], "properties": {
                "distinct_ids": {"type": "array", "items": {"$ref": "#/components/schemas/DistinctID"}, "minItems": 1,
                  "maxItems": 2000},
                "compliance_type": {"enum": ["GDPR", "CCPA", "gdpr", "ccpa"]}}}}}},
            "security": [{"basic": []}],
            "responses": {
              "201": {"description": "The task, made.", "content": {"application/json": {"schema": {
                "type": "object", "required": ["status", "results"], "properties": {"status": {"const": "ok"},
                  "results": {"type": "array", "items": {"allOf": [{"$ref": "#/components/schemas/PrivacyTask"}, {
                    "type": "object", "required": ["tracking_id", "task_id"]}]}}}}}}},
              \#(queryResponses)
            }
          }
        },
        "/api/app/data-\#(path)/v3.0/{trackingID}": {
          "get": {
            "tags": ["privacy"], "operationId": "get\#(name)", "summary": "How far a task has come.",
            "parameters": [
              {"$ref": "#/components/parameters/trackingID"}, {"$ref": "#/components/parameters/token"},
              {"$ref": "#/components/parameters/project_id"}
            ],
            "security": [{"basic": []}],
            "responses": {
              "200": {"description": "The task; NOT_FOUND where there is none.", "content": {"application/json": {
                "schema": {"type": "object", "required": ["status", "results"], "properties": {
                  "status": {"const": "ok"}, "results": {"allOf": [{"$ref": "#/components/schemas/PrivacyTask"}, {
                    "type": "object", "required": ["result", "distinct_ids"]}]}}}}}},
              \#(queryResponses)
            }
          },
          "delete": {
            "tags": ["privacy"], "operationId": "cancel\#(name)", "summary": "Cancel a task, or take its file away.",
            "parameters": [
              {"$ref": "#/components/parameters/trackingID"}, {"$ref": "#/components/parameters/token"},
              {"$ref": "#/components/parameters/project_id"}
            ],
            "security": [{"basic": []}],
            "responses": {
              "204": {"description": "Cancelled."}, "404": {"$ref": "#/components/responses/NotFound"},
              "405": {"description": "It has begun.", "headers": {"Allow": {"schema": {"type": "string"}}},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
              \#(queryResponses)
            }
          }
        }
        """#
    }

    private static let download = #"""
        "/api/app/data-retrievals/v3.0/{trackingID}/download": {
          "get": {
            "tags": ["privacy"], "operationId": "downloadRetrieval", "summary": "What was gathered, as JSON lines.",
            "parameters": [
              {"$ref": "#/components/parameters/trackingID"}, {"$ref": "#/components/parameters/token"},
              {"$ref": "#/components/parameters/project_id"}
            ],
            "security": [{"basic": []}],
            "responses": {
              "200": {"description": "The file.", "content": {"application/x-ndjson": {"schema": {"type": "string"}}}},
              "404": {"$ref": "#/components/responses/NotFound"}, \#(queryResponses)
            }
          }
        }
        """#
}
