/** Mounts the page. */

import { createRoot } from 'react-dom/client';
import { App } from './ui/app.tsx';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no element with the id "root"');
createRoot(root).render(<App />);
