// OHIF's configuration at this archive, and what it takes to live behind a sign-in.
window.config = {
  routerBasename: '/ohif',
  extensions: [],
  modes: [],
  // The tour covers the first screen of everybody who signs in at a new workplace.
  customizationService: [{ 'ohif.tours': { $set: [] } }],
  // Our own list is at /cami/; OHIF's would stand beside it in English.
  showStudyList: true,
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: true,
  showLoadingIndicator: true,
  // Whose images these are is always on the screen.
  showPatientInfo: 'visibleReadOnly',
  showErrorDetails: 'production',
  strictZSpacingForVolumeViewport: true,
  maxNumberOfWebWorkers: 3,
  // HTTP/1.1: a browser opens six connections to a host, more requests at once only wait in its queue.
  maxNumRequests: { interaction: 12, thumbnail: 4, prefetch: 6 },
  // "For investigational use only" is OHIF's own statement; whether it may go is decided by whoever registers the
  // installation as a medical device, so it stays.
  investigationalUseDialog: { option: 'always' },
  whiteLabeling: {
    createLogoComponentFn: React =>
      React.createElement('a', { href: '/cami/', style: { color: '#fff', fontSize: '20px', fontWeight: 600 } }, 'ЦАМИ'),
  },
  // Called for each image that fails to load; sessions that have ended are noticed below, by status.
  httpErrorHandler: error => console.warn('image not loaded', error && error.status),
  defaultDataSourceName: 'cami',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'cami',
      configuration: {
        friendlyName: 'ЦАМИ',
        name: 'cami',
        qidoRoot: '/dicom-web',
        wadoRoot: '/dicom-web',
        qidoSupportsIncludeField: true,
        imageRendering: 'wadors',
        thumbnailRendering: 'wadors',
        enableStudyLazyLoad: true,
        supportsFuzzyMatching: false,
        supportsWildcard: true,
        dicomUploadEnabled: false,
        // true makes OHIF filter the list in the browser and ask for image/* instead of DICOM's own frames
        staticWado: false,
        singlepart: 'bulkdata',
        bulkDataURI: { enabled: true },
        omitQuotationForMultipartRequest: true,
        // frames in the syntax in which they are stored: the browser decodes them, the server does no work
        acceptHeader: ['multipart/related; type=application/octet-stream; transfer-syntax=*'],
      },
    },
  ],
};

{
  // A session that has ended: frames would just fail one by one. Ask once who we are, then go and sign in.
  let asking = false;
  const refused = async (status, url) => {
    if ((status !== 401 && status !== 403) || asking) return;
    const address = new URL(url || '', location.href);
    if (address.origin !== location.origin || address.pathname.startsWith('/cami/')) return;
    asking = true;
    const answer = await ask('/cami/whoami', { cache: 'no-store' }).catch(() => null);
    const who = answer && answer.ok ? await answer.json().catch(() => null) : null;
    if (who && who.login === null) {
      location.assign('/cami/login?next=' + encodeURIComponent(location.pathname + location.search));
    } else {
      asking = false;
    }
  };
  const ask = window.fetch.bind(window);
  window.fetch = async (...args) => {
    const answer = await ask(...args);
    refused(answer.status, answer.url);
    return answer;
  };
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (...args) {
    this.addEventListener('loadend', () => refused(this.status, this.responseURL));
    return send.apply(this, args);
  };

  // "Back to the study list" leads to the portal's list.
  for (const name of ['pushState', 'replaceState']) {
    const original = history[name].bind(history);
    history[name] = (state, title, url) => {
      if (url && /^\/ohif\/?$/.test(new URL(url, location.href).pathname)) location.assign('/cami/');
      else original(state, title, url);
    };
  }
}
