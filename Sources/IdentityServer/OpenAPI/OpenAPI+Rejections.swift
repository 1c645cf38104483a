import MixpanelWire

extension OpenAPI {
    private static let reasons = RejectionReason.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")

    /// What was rejected.
    static let rejectionPaths = #"""
        "/identity/rejections": {
          "get": {
            "tags": ["identity"], "operationId": "rejections",
              "summary": "The latest rejected records, and counts by reason, since the server started.",
            "parameters": [
              {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000,
                "default": 1000}},
              {"name": "reason", "in": "query", "schema": {"enum": [\#(reasons)]}},
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "security": [{"basic": []}],
            "responses": {
              "200": {"description": "The latest first.", "content": {"application/json": {"schema": {
                "allOf": [{"$ref": "#/components/schemas/Rejections"}, {"type": "object", "required": ["since"],
                  "properties": {
                    "since": {"type": "string", "format": "date-time"},
                    "without_project": {"allOf": [{"$ref": "#/components/schemas/Rejections"}, {"type": "object",
                      "required": ["unknown_token_records", "unknown_tokens"], "properties": {
                        "unknown_token_records": {"type": "integer"},
                        "unknown_tokens": {"type": "array", "items": {"type": "object",
                          "required": ["token", "records", "last", "is_secret"], "properties": {
                            "token": {"type": "string"}, "records": {"type": "integer"},
                            "last": {"type": "string", "format": "date-time"},
                            "is_secret": {"type": "boolean"}}}}}}]}}}]}}}},
              \#(queryResponses)
            }
          }
        }
        """#

    static let rejectionSchemas = #"""
        "Rejections": {"type": "object", "required": ["total", "counts", "left_out", "rejections"], "properties": {
            "total": {"type": "integer", "minimum": 0},
            "counts": {"type": "object", "propertyNames": {"enum": [\#(reasons)]},
              "additionalProperties": {"type": "integer", "minimum": 1}},
            "left_out": {"type": "integer", "minimum": 0,
              "description": "Records that are stored already, of batches that came again."},
            "rejections": {"type": "array", "maxItems": 1000, "items": {"type": "object", "additionalProperties": false,
              "required": ["time", "endpoint", "reason", "message", "field", "index", "record", "record_bytes"],
              "properties": {
                "time": {"type": "string", "format": "date-time"}, "endpoint": {"type": "string"},
                "reason": {"enum": [\#(reasons)]}, "message": {"type": "string"}, "field": {"type": "string"},
                "index": {"type": ["integer", "null"]}, "record": {"type": "string"},
                "record_bytes": {"type": "integer"}}}}}}
        """#
}
