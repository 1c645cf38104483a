import IdentityEngine
import MixpanelWire
import Testing

struct AnswerTests {
    private func text(_ response: WireResponse) -> String {
        let headers = response.headers.map { " \($0.name)=\($0.value)" }.joined()
        return "\(response.status) \(response.contentType ?? "-")\(headers) "
            + String(decoding: response.body, as: UTF8.self)
    }

    @Test func `errors have the shape of their door`() {
        #expect(
            text(Answer.unauthorized("who?"))
                == #"401 application/json {"code":401,"error":"who?","status":"Unauthorized"}"#)
        #expect(text(Answer.forbidden("no")) == #"403 application/json {"code":403,"error":"no","status":"Forbidden"}"#)
        #expect(text(Answer.notFound()) == #"404 application/json {"error":"not found","status":"error"}"#)
        #expect(text(Answer.failure(409, "a\"b")) == #"409 application/json {"error":"a\"b","status":"error"}"#)
    }

    @Test func `limits and failures say when to come back`() {
        #expect(
            text(Answer.tooLarge(limitBytes: 7))
                == #"413 application/json {"code":413,"error":"request exceeds max limit of 7 bytes","#
                + #""status":"Request Entity Too Large"}"#
        )
        #expect(
            text(Answer.tooMany(retryAfterSeconds: 0))
                == #"429 application/json Retry-After=1 {"code":429,"error":"Project exceeded rate limits. Please "#
                + #"retry the request with exponential backoff.","status":"Too Many Requests"}"#
        )
        #expect(
            text(Answer.unavailable("busy", retryAfterSeconds: 5))
                == #"503 application/json Retry-After=5 {"code":503,"error":"busy","status":"Service Unavailable"}"#)
        #expect(
            text(Answer.internalError("oh"))
                == #"500 application/json Retry-After=60 {"code":500,"error":"oh","status":"Internal Server Error"}"#)
    }

    @Test func `too many records are 413 on import and a zero on track`() {
        let result = DecodeResult(failure: .tooManyRecords(limit: 2000))
        let options = RequestOptions()
        #expect(
            text(Answer.answer(to: result, options: options, endpoint: .track)) == "200 text/plain; charset=utf-8 0")
        #expect(
            text(Answer.answer(to: result, options: options, endpoint: .import))
                == #"413 application/json {"code":413,"error":"request exceeds max limit of 2000 records","#
                + #""status":"Request Entity Too Large"}"#
        )
    }

    @Test func `an oversized body is 413 on both doors, in every mode`() {
        let result = DecodeResult(payloadError: .tooLarge(limitBytes: 7))
        for query in ["", "strict=1", "img=1", "verbose=1"] {
            let options = RequestOptions(query: QueryItems(Array(query.utf8)), form: nil)
            #expect(Answer.answer(to: result, options: options, endpoint: .track).status == 413)
            #expect(Answer.answer(to: result, options: options, endpoint: .import).status == 413)
        }
    }

    @Test func `the pixel is a GIF of 43 bytes that is never stored`() {
        let options = RequestOptions(query: QueryItems(Array("img=1&verbose=1".utf8)), form: nil)
        let good = Answer.answer(to: DecodeResult(), options: options, endpoint: .track)
        let bad = Answer.answer(to: DecodeResult(failure: .empty), options: options, endpoint: .track)
        #expect(good.body == bad.body)
        #expect(good.body.count == 43)
        #expect(good.body.starts(with: Array("GIF89a".utf8)))
        #expect(good.headers.map(\.value) == ["no-store"])
    }

    @Test func `a text in an answer is escaped`() {
        var output: [UInt8] = []
        JSONText.appendJSONString("a\"b\\c\n\u{1}\u{7f}é/", to: &output)
        JSONText.appendLiteral(",", to: &output)
        JSONText.appendNumber(Int64.min, to: &output)
        JSONText.appendLiteral(",", to: &output)
        JSONText.appendNumber(0, to: &output)
        #expect(String(decoding: output, as: UTF8.self) == "\"a\\\"b\\\\c\\n\\u0001\u{7f}é/\",-9223372036854775808,0")
    }
}
