extension OpenAPI {
    /// Deletion and retrieval for privacy law.
    static let privacyPaths = [
        tasks("deletions", "Deletion", "Delete everything about the clusters of some ids."),
        tasks("retrievals", "Retrieval", "Gather everything about the clusters of some ids in a file."),
    ].joined(separator: ",\n")

    private static func tasks(_ path: String, _ name: String, _ summary: String) -> String {
        #"""
        "/api/app/data-\#(path)/v3.0": {
          "post": {
            "tags": ["privacy"], "operationId": "create\#(name)", "summary": "\#(summary)",
            "parameters": [
              {"name": "token", "in": "query", "schema": {"$ref": "#/components/schemas/Token"}},
              {"$ref": "#/components/parameters/project_id"}
            ],
            "requestBody": {"required": true, "content": {"application/json": {"schema": {
              "type": "object", "required": ["distinct_ids"], "properties": {
                "distinct_ids": {"type": "array", "items": {"$ref": "#/components/schemas/DistinctID"}, "minItems": 1,
                  "maxItems": 2000},
                "compliance_type": {"enum": ["GDPR", "CCPA", "gdpr", "ccpa"]}}}}}},
            "security": [{"basic": []}],
            "responses": {"200": {"$ref": "#/components/responses/PrivacyTask"}, \#(queryResponses)}
          }
        },
        "/api/app/data-\#(path)/v3.0/{trackingID}": {
          "get": {
            "tags": ["privacy"], "operationId": "get\#(name)", "summary": "How far a task has come.",
            "parameters": [{"$ref": "#/components/parameters/trackingID"},
              {"$ref": "#/components/parameters/project_id"}],
            "security": [{"basic": []}],
            "responses": {
              "200": {"$ref": "#/components/responses/PrivacyTask"}, "404": {"$ref": "#/components/responses/NotFound"},
              \#(queryResponses)
            }
          },
          "delete": {
            "tags": ["privacy"], "operationId": "cancel\#(name)", "summary": "Cancel a task that has not begun.",
            "parameters": [{"$ref": "#/components/parameters/trackingID"},
              {"$ref": "#/components/parameters/project_id"}],
            "security": [{"basic": []}],
            "responses": {
              "200": {"$ref": "#/components/responses/PrivacyTask"}, "204": {"description": "Cancelled."},
              "404": {"$ref": "#/components/responses/NotFound"},
              "409": {"description": "It has begun.", "content": {"application/json": {"schema": {
                "$ref": "#/components/schemas/Error"}}}},
              \#(queryResponses)
            }
          }
        }
        """#
    }
}
