// The requests of mixpanel-browser, made with the same means of the browser: docs/wire-protocol.md, P 3.1 and P 3.3.
'use strict';

const parameters = new URLSearchParams(location.search);
const host = parameters.get('host');
const token = parameters.get('token');
const deviceID = '19a0b1c2-d3e4-4f50-8a6b-7c8d9e0f1a2b';
const anonymousID = '$device:' + deviceID;

/** As the SDK does it: each UTF-16 unit is written as if it were a character, so that an emoji takes six bytes (P 2-11). */
function base64(value) {
    const text = JSON.stringify(value);
    let bytes = '';
    for (let place = 0; place < text.length; place++) {
        const unit = text.charCodeAt(place);
        if (unit < 0x80) bytes += String.fromCharCode(unit);
        else if (unit < 0x800) bytes += String.fromCharCode(0xC0 | unit >> 6, 0x80 | unit & 0x3F);
        else bytes += String.fromCharCode(0xE0 | unit >> 12, 0x80 | unit >> 6 & 0x3F, 0x80 | unit & 0x3F);
    }
    return btoa(bytes);
}

function event(name, distinctID, properties) {
    return {event: name, properties: {
        $os: 'Linux', $browser: 'Chrome', $current_url: location.href, mp_lib: 'web', $lib_version: '2.82.1',
        $insert_id: crypto.randomUUID().slice(0, 16), time: Date.now() / 1000, distinct_id: distinctID,
        $device_id: deviceID, ...properties, token}};
}

function update(operation, value, distinctID) {
    return {[operation]: value, $token: token, $distinct_id: distinctID, $device_id: deviceID};
}

/** POSTs a form by XHR with credentials, as every batch goes; status 0 is what a CORS mistake looks like. */
function form(path, value, {verbose = true, headers = {}} = {}) {
    return new Promise(resolve => {
        const request = new XMLHttpRequest();
        request.open('POST', `${host}${path}?${verbose ? 'verbose=1&' : ''}ip=1&_=${Date.now()}`, true);
        for (const [name, text] of Object.entries(headers)) request.setRequestHeader(name, text);
        request.setRequestHeader('Content-Type', 'application/x-www-form-urlencoded');
        request.withCredentials = true;
        request.onreadystatechange = () => {
            if (request.readyState === 4) resolve({status: request.status, text: request.responseText});
        };
        request.send('data=' + encodeURIComponent(base64(value)));
    });
}

function beacon(path, value) {
    const url = `${host}${path}?verbose=1&ip=1&_=${Date.now()}`;
    return navigator.sendBeacon(url, 'data=' + encodeURIComponent(base64(value)));
}

function pixel(value) {
    return new Promise(resolve => {
        const image = new Image();
        image.onload = () => resolve(`${image.width}x${image.height}`);
        image.onerror = () => resolve('error');
        image.src = `${host}/track/?data=${encodeURIComponent(base64(value))}&ip=1&img=1&_=${Date.now()}`;
    });
}

function jsonp(value) {
    return new Promise(resolve => {
        window.mixpanel = {_jsc: {123: resolve}};
        const script = document.createElement('script');
        script.onerror = () => resolve('error');
        const callback = encodeURIComponent('mixpanel._jsc[123]');
        script.src = `${host}/track/?data=${encodeURIComponent(base64(value))}&verbose=1&callback=${callback}&_=${Date.now()}`;
        document.head.append(script);
    });
}

async function answer(path, options) {
    try {
        const response = await fetch(host + path, options);
        const text = await response.text();
        return {status: response.status, text, retryAfter: response.headers.get('Retry-After')};
    } catch (error) {
        return {status: 0, text: String(error)};
    }
}

const authorization = {Authorization: 'Basic ' + btoa(token + ':')};
const traceparent = {traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'};
const library = 'mp_lib=web&%24lib_version=2.82.1';

/** What a page sends while it is there. */
async function trackEverything() {
    const user = 'browser-user';
    return {
        single: await form('/track/', event('Opened', anonymousID, {greeting: 'Grüße 👋 +/?&='}), {verbose: false}),
        batch: await form('/track/', [event('Clicked', anonymousID, {n: 1}), event('Clicked', anonymousID, {n: 2})]),
        identify: await form('/track/', [event('$identify', user, {$anon_distinct_id: anonymousID, $user_id: user})]),
        alias: await form('/track/', event('$create_alias', user, {alias: 'browser-alias'}), {verbose: false}),
        ownHeaders: await form('/track/', event('With headers of its own', user), {headers: {'X-Shop': 'yes'}}),
        json: await answer('/track/?verbose=1', {
            method: 'POST', headers: {'Content-Type': 'application/json'}, credentials: 'include',
            body: JSON.stringify([event('Sent by fetch', user)])}),
        beacon: beacon('/track/', [event('Sent by beacon', user)]),
        pixel: await pixel(event('Sent by pixel', user)),
        jsonp: await jsonp(event('Sent by script', user)),
        rejected: await form('/track/', [{event: 'Without a token', properties: {}}]),
    };
}

async function updateProfiles() {
    const user = 'browser-user';
    const group = {$token: token, $group_key: 'company', $group_id: 'acme'};
    return {
        people: await form('/engage/', [update('$set', {name: 'Größe'}, user), update('$add', {logins: 2}, user)]),
        single: await form('/engage/', update('$append', {tags: 'new'}, user), {verbose: false}),
        groups: await form('/groups/', [{...group, $set: {name: 'Acme'}}]),
        beacon: beacon('/engage/', [update('$set', {left: true}, user)]),
    };
}

async function askForSettings() {
    const scope = encodeURIComponent(JSON.stringify({distinct_id: 'browser-user', device_id: deviceID}));
    const headers = {...authorization, ...traceparent};
    return {
        flags: await answer(`/flags/?context=${scope}&token=${token}&${library}`, {headers}),
        settings: await answer(`/settings/?${library}&sdk_config=1`, {headers: authorization}),
        firstTime: await answer(`/flags/5f0c1d2e/first-time-events?${library}`, {
            method: 'POST', headers: {...headers, 'Content-Type': 'application/json'},
            body: JSON.stringify({distinct_id: 'browser-user', project_id: 1001, first_time_event_hash: '0a1b'})}),
        record: await answer(`/record/?${library}&replay_id=r-1&seq=0&format=gzip`, {
            method: 'POST', headers: {...authorization, 'Content-Type': 'application/octet-stream'},
            body: new Uint8Array(3000)}),
    };
}

/** What goes wrong must be readable, or the library takes it for a network that is down and drops its batch. */
async function failToTrack(largeBytes) {
    return {
        large: await form('/track/', event('Large', 'browser-user', {text: 'x'.repeat(30_000)})),
        veryLarge: await form('/track/', event('Large', 'browser-user', {text: 'x'.repeat(largeBytes)})),
        method: await answer('/track/', {method: 'PUT'}),
    };
}

async function failToAsk() {
    const scope = encodeURIComponent(JSON.stringify({distinct_id: 'browser-user'}));
    const wrong = {Authorization: 'Basic ' + btoa('not-a-token:'), ...traceparent};
    return {
        wrong: await answer(`/flags/?context=${scope}&${library}`, {headers: wrong}),
        without: await answer(`/flags/?context=${scope}&${library}`, {headers: traceparent}),
    };
}

// As the library does when the page goes away.
addEventListener('pagehide', () => beacon('/track/', [event('Left', 'browser-user')]));
